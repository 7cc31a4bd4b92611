//! Somebody who reads a mention and looks for what it means, knowing names, attributes and places in the picture.

use plumb_qa::{MARK_COLOURS, Mention, QaPair, Reference};

use crate::truths::{Thing, View};

const RANKS: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];

/// The one object that the mention means.
pub(crate) fn meant(view: &View<'_>, pair: &QaPair, mention: &Mention) -> Result<u32, String> {
    if mention.by == Reference::Mark {
        return marked(view, pair, mention);
    }
    let text = mention.text.strip_prefix("the ").ok_or("no article")?;
    let named = |noun: &str| -> Vec<(u32, &Thing<'_>)> {
        view.things.iter().filter(|(_, thing)| thing.name.ends_with(noun)).map(|(id, t)| (*id, t)).collect()
    };
    if mention.by == Reference::Ordinal {
        return counted(text, &named);
    }
    let words: Vec<&str> = text.split(' ').collect();
    // The longest end of the phrase that names something is the noun.
    let noun = (0..words.len())
        .map(|at| (at, words[at..].join(" ")))
        .find(|(_, noun)| view.things.values().any(|thing| thing.name == noun.as_str()));
    let (at, noun) = noun.ok_or_else(|| format!("{text:?} names nothing"))?;
    let fits = |thing: &Thing<'_>| {
        let said = thing.attributes;
        let own: Vec<&str> = [&said.colour, &said.material, &said.pattern]
            .into_iter()
            .filter_map(|value| value.as_deref())
            .flat_map(|value| value.split(' '))
            .collect();
        words[..at].iter().all(|word| own.contains(word))
    };
    let found: Vec<u32> = named(&noun).into_iter().filter(|(_, t)| fits(t)).map(|(id, _)| id).collect();
    only(&found, text)
}

fn only(found: &[u32], text: &str) -> Result<u32, String> {
    if let [one] = found { Ok(*one) } else { Err(format!("{text:?} may mean {found:?}")) }
}

/// Boxes are drawn in the colours of the roles. The text names things and colours in the same order.
fn marked(view: &View<'_>, pair: &QaPair, mention: &Mention) -> Result<u32, String> {
    let role = pair.mentions.iter().position(|other| other == mention).ok_or("no such mention")?;
    let text = pair.question_text.to_lowercase();
    let boxed = |role: usize| -> Result<u32, String> {
        let (colour, rgb) = MARK_COLOURS.get(role).ok_or("no colour left")?;
        let marks = pair.marks.iter().filter(|mark| mark.colour == *rgb);
        let objects = marks.flat_map(|mark| {
            let rect = mark.rect.map(f64::from);
            view.things.iter().filter(move |(_, thing)| thing.rect == rect).map(|(id, _)| *id)
        });
        only(&objects.collect::<Vec<_>>(), colour)
    };
    let colours = &MARK_COLOURS[..pair.mentions.len().min(MARK_COLOURS.len())];
    let roles = text
        .split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| colours.iter().position(|(colour, _)| *colour == word));
    let mut rest = text.as_str();
    let mut seen = 0;
    for named in roles {
        let name = view.things.get(&boxed(named)?).map_or("", |thing| thing.name);
        let at = rest.find(name).ok_or_else(|| format!("no {name:?} in {rest:?}"))?;
        rest = &rest[at + name.len()..];
        seen |= 1 << named;
    }
    if seen + 1 != 1 << pair.mentions.len() {
        return Err(format!("not every colour is named in {text:?}"));
    }
    boxed(role)
}

fn counted<'v>(text: &str, named: &dyn Fn(&str) -> Vec<(u32, &'v Thing<'v>)>) -> Result<u32, String> {
    let rank = |word: &str| RANKS.iter().position(|rank| *rank == word);
    let from_left = |noun: &str| {
        let mut found = named(noun);
        found.sort_by(|p, q| p.1.pixel.x.total_cmp(&q.1.pixel.x));
        found
    };
    let from_camera = |noun: &str| {
        let mut found = named(noun);
        found.sort_by(|p, q| p.1.median_depth().total_cmp(&q.1.median_depth()));
        found
    };
    let mut last = false;
    let (order, at) = if let Some(noun) = text.strip_suffix(" on the left") {
        (from_left(noun), 0)
    } else if let Some(noun) = text.strip_suffix(" on the right") {
        (from_left(noun), 1)
    } else if let Some(noun) = text.strip_prefix("leftmost ") {
        (from_left(noun), 0)
    } else if let Some(noun) = text.strip_prefix("rightmost ") {
        last = true;
        (from_left(noun), 0)
    } else if let Some(noun) = text.strip_suffix(" closest to the camera") {
        (from_camera(noun), 0)
    } else if let Some(noun) = text.strip_suffix(" farthest from the camera") {
        last = true;
        (from_camera(noun), 0)
    } else {
        let (first, rest) = text.split_once(' ').ok_or("one word")?;
        let at = rank(first).ok_or_else(|| format!("{first:?} is no rank"))?;
        if let Some(noun) = rest.strip_suffix(" from the left") {
            (from_left(noun), at)
        } else if let Some(noun) = rest.strip_suffix(" from the right") {
            last = true;
            (from_left(noun), at)
        } else {
            let noun = rest.strip_prefix("closest ").and_then(|rest| rest.strip_suffix(" to the camera"));
            (from_camera(noun.ok_or_else(|| format!("{text:?} is not understood"))?), at)
        }
    };
    let two = text.ends_with(" on the left") || text.ends_with(" on the right");
    if order.len() < 2 || (two && order.len() != 2) {
        return Err(format!("{text:?} of {}", order.len()));
    }
    let at = if last { order.len().checked_sub(at + 1) } else { Some(at) };
    at.and_then(|at| order.get(at)).map(|(id, _)| *id).ok_or_else(|| format!("{text:?} of {}", order.len()))
}
