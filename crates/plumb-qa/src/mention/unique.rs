//! Names and attributes that only one object has.

use plumb_scene::{NameSource, Scene};

use super::Way;
use crate::pair::Reference;

/// Longer labels are not said aloud.
const MAX_LABEL: usize = 60;

/// What is known of the objects' names, in lower case.
pub(super) struct Vocabulary {
    entries: Vec<Entry>,
}

struct Entry {
    noun: Option<String>,
    /// Pattern, colour, material: the order in which English puts them.
    attributes: [Option<String>; 3],
    caption: Option<String>,
    source: NameSource,
}

/// A label that can stand in a sentence and in a template.
fn sayable(label: &str) -> Option<String> {
    let label = label.trim();
    let fits = !label.is_empty() && label.len() <= MAX_LABEL;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '\'' | ',' | '/' | '&' | '.');
    (fits && label.chars().all(plain)).then(|| label.to_lowercase())
}

impl Vocabulary {
    pub(super) fn new(scene: &Scene) -> Self {
        let entries = scene
            .objects
            .iter()
            .map(|object| {
                let said = |text: &Option<String>| text.as_deref().and_then(sayable);
                let attributes = &object.attributes;
                Entry {
                    noun: sayable(&object.name),
                    attributes: [
                        said(&attributes.pattern),
                        said(&attributes.colour),
                        said(&attributes.material),
                    ],
                    caption: said(&attributes.caption),
                    source: object.named_by,
                }
            })
            .collect();
        Self { entries }
    }

    pub(super) fn noun(&self, index: usize) -> Option<&str> {
        self.entries.get(index)?.noun.as_deref()
    }

    /// Whether somebody who hears `noun` may think of the object: an armchair is a chair, and a thing nobody named may be anything.
    pub(super) fn may_be(&self, index: usize, noun: &str) -> bool {
        let entry = &self.entries[index];
        entry.source == NameSource::Proposal || entry.noun.as_deref().is_none_or(|own| own.ends_with(noun))
    }

    /// Whether the object's name is exactly this noun.
    pub(super) fn is(&self, index: usize, noun: &str) -> bool {
        let entry = &self.entries[index];
        entry.source != NameSource::Proposal && entry.noun.as_deref() == Some(noun)
    }

    /// Where an attribute is missing, only the renderer is known to mean that the object has none.
    fn may_have(&self, index: usize, slot: usize, value: &str) -> bool {
        let entry = &self.entries[index];
        match &entry.attributes[slot] {
            Some(own) => own == value,
            None => entry.source != NameSource::Exact,
        }
    }

    /// Adds every way to name object `index` by name, attributes or caption that can mean nothing else. Of the sets of attributes only
    /// the smallest that suffice.
    pub(super) fn ways(&self, index: usize, ways: &mut Vec<Way>) {
        let entry = &self.entries[index];
        let Some(own) = entry.noun.as_deref() else { return };
        let proposal = entry.source == NameSource::Proposal;
        let noun = if proposal { "object" } else { own };
        // Anything is an object.
        let rivals: Vec<usize> = (0..self.entries.len())
            .filter(|&other| other != index && (proposal || self.may_be(other, noun)))
            .collect();
        if !proposal && rivals.is_empty() {
            ways.push(Way { by: Reference::Name, axis: None, text: format!("the {noun}") });
        }
        let slots =
            if proposal { &[0b010_u8][..] } else { &[0b010, 0b100, 0b001, 0b011, 0b110, 0b101, 0b111] };
        let mut found: Option<u32> = None;
        for &set in slots {
            let members = || (0..3).filter(move |slot| set & (1 << slot) != 0);
            let values: Option<Vec<&str>> = members().map(|slot| entry.attributes[slot].as_deref()).collect();
            let Some(values) = values else { continue };
            let alike = |&other: &usize| {
                members().zip(&values).all(|(slot, value)| self.may_have(other, slot, value))
            };
            if found.is_some_and(|size| set.count_ones() > size) || rivals.iter().any(alike) {
                continue;
            }
            found = Some(set.count_ones());
            ways.push(Way {
                by: Reference::Attribute,
                axis: None,
                text: format!("the {} {noun}", values.join(" ")),
            });
        }
        if let Some(caption) = self.unique_caption(index) {
            ways.push(Way { by: Reference::Attribute, axis: None, text: format!("the {caption}") });
        }
    }

    /// The object's caption, if it says more than the noun and no other object can be meant: each rival has a caption too, and none
    /// contains every word of this one.
    fn unique_caption(&self, index: usize) -> Option<&str> {
        let entry = &self.entries[index];
        let (noun, caption) = (entry.noun.as_deref()?, entry.caption.as_deref()?);
        let caption =
            ["a ", "an ", "the "].iter().find_map(|article| caption.strip_prefix(article)).unwrap_or(caption);
        if caption == noun || !caption.contains(noun) {
            return None;
        }
        let words: Vec<&str> = caption.split_whitespace().collect();
        let clear = self.entries.iter().enumerate().all(|(other, rival)| {
            other == index
                || match &rival.caption {
                    Some(theirs) => {
                        !words.iter().all(|word| theirs.split_whitespace().any(|own| own == *word))
                    }
                    None => !self.may_be(other, noun),
                }
        });
        clear.then_some(caption)
    }
}
