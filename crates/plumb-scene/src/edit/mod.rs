//! What a person changes in a scene: other names, objects taken away, parts made one.
//!
//! | module | what it does |
//! |---|---|
//! | `exact` | the union of objects whose extents are exact |
//! | [`observed`] | the pixels that a merged object is measured by |
//!
//! [`apply`] is pure: the scene and its files stay, the list of edits is kept with the scene that comes of it
//! ([`SceneSource::Edited`]), and the same list gives the same scene.
//!
//! - **Rename** makes the person the source of the name ([`NameSource::Person`]). Nothing that was measured changes.
//! - **Delete** takes an object out of the record and its pixels out of the mask. It is still in the picture, so [`Scene::exhaustive`]
//!   ends: counting its kind would be wrong.
//! - **Merge** makes parts one object. In a lifted scene it is measured again from the pixels of all parts by the code of the
//!   lift ([`crate::lift`]). In a rendered scene extents and distances are the exact unions of exact parts, which no measurement could
//!   better; only its depths are read from the picture, with a sigma, and its visible share is a lower bound, because what the parts hide of
//!   each other is not known.

mod exact;
pub mod observed;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::labels::{name_fault, plural};
use crate::lift::again;
use crate::scene::{Attributes, NameSource, Object, PairDistance, Scene, SceneSource};
use crate::{Instances, Label, SceneError};
pub use observed::Observed;

/// One change. Objects are named by [`Object::id`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    Rename {
        object: u32,
        /// Head noun in the singular.
        name: String,
        /// What a caption may say of it; as before where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attributes: Option<Attributes>,
    },
    Delete {
        object: u32,
    },
    /// `others` become parts of `into`, which keeps its id, name and attributes.
    Merge {
        into: u32,
        others: Vec<u32>,
    },
}

impl Edit {
    /// Ids of the objects it is about, those that go included.
    pub fn objects(&self) -> impl Iterator<Item = u32> {
        let (first, others) = match self {
            Self::Rename { object, .. } | Self::Delete { object } => (*object, &[][..]),
            Self::Merge { into, others } => (*into, &others[..]),
        };
        std::iter::once(first).chain(others.iter().copied())
    }
}

/// Why edits cannot be made. `edit` counts from 1.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EditError {
    #[error("change {edit}: the scene has no object {object}")]
    UnknownObject { edit: usize, object: u32 },
    #[error("change {edit}: the name of an object {fault}")]
    Name { edit: usize, fault: String },
    #[error("change {edit}: object {object} alone cannot be merged, two are needed")]
    MergeOne { edit: usize, object: u32 },
    #[error("change {edit}: object {object} is there twice")]
    MergeTwice { edit: usize, object: u32 },
    /// A merged object is measured again, and the scene came without masks or depth.
    #[error("'{name}' cannot be measured again: the scene has no {what} beside it")]
    NoPixels { name: String, what: &'static str },
    /// The lift would leave the merged object out.
    #[error("'{name}' cannot be measured as one object: {reason}")]
    Unmeasured { name: String, reason: String },
    #[error(transparent)]
    Scene(#[from] SceneError),
}

/// A scene after its edits.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    pub scene: Scene,
    /// What numbers of masks and clouds mean now.
    pub numbers: Renumbering,
}

/// What became of object numbers: another one, or 0 for none. Numbers that are not listed stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renumbering {
    changed: BTreeMap<u32, u32>,
}

impl Renumbering {
    /// The number that stands for `id` now.
    #[must_use]
    pub fn of(&self, id: u32) -> u32 {
        self.changed.get(&id).copied().unwrap_or(id)
    }

    /// Changes the numbers of a mask or a cloud.
    pub fn change(&self, ids: &mut [u16]) {
        if self.changed.is_empty() {
            return;
        }
        // Numbers only become others of the same mask, so they stay 16 bits.
        let table: Vec<u16> =
            (0..=u16::MAX).map(|id| u16::try_from(self.of(id.into())).unwrap_or(0)).collect();
        for id in ids {
            *id = table[usize::from(*id)];
        }
    }

    fn put(&mut self, from: u32, to: u32) {
        for target in self.changed.values_mut().filter(|target| **target == from) {
            *target = to;
        }
        self.changed.insert(from, to);
    }
}

/// Whether [`apply`] needs the pixels of the scene.
#[must_use]
pub fn needs_pixels(edits: &[Edit]) -> bool {
    edits.iter().any(|edit| matches!(edit, Edit::Merge { .. }))
}

/// Makes `edits` one after the other. `observed` is needed where one of them merges ([`needs_pixels`]); its object numbers are those of
/// `scene`, before the edits.
///
/// # Errors
/// [`EditError`], with the place of the edit. Nothing is made in part.
pub fn apply(scene: &Scene, edits: &[Edit], observed: Option<&Observed<'_>>) -> Result<Edited, EditError> {
    let mut state = State { scene: scene.clone(), numbers: Renumbering::default(), merged: BTreeSet::new() };
    for (number, edit) in (1..).zip(edits) {
        state.make(number, edit)?;
    }
    state.measure(scene, observed)?;
    let State { mut scene, numbers, .. } = state;
    if !edits.is_empty() {
        scene.source = scene.source.edited(edits);
    }
    Ok(Edited { scene, numbers })
}

struct State {
    scene: Scene,
    numbers: Renumbering,
    /// Ids of objects that have got parts.
    merged: BTreeSet<u32>,
}

impl State {
    fn make(&mut self, edit: usize, change: &Edit) -> Result<(), EditError> {
        for object in change.objects() {
            self.index(edit, object)?;
        }
        match change {
            Edit::Rename { object, name, attributes } => {
                self.rename(edit, *object, name, attributes.as_ref())
            }
            Edit::Delete { object } => {
                self.remove(self.index(edit, *object)?);
                self.numbers.put(*object, 0);
                self.merged.remove(object);
                self.scene.exhaustive = false;
                Ok(())
            }
            Edit::Merge { into, others } => self.merge(edit, *into, others),
        }
    }

    fn index(&self, edit: usize, object: u32) -> Result<usize, EditError> {
        self.scene.index_of(object).ok_or(EditError::UnknownObject { edit, object })
    }

    fn rename(
        &mut self,
        edit: usize,
        object: u32,
        name: &str,
        attributes: Option<&Attributes>,
    ) -> Result<(), EditError> {
        let at = self.index(edit, object)?;
        let name = name.trim();
        let said = attributes.into_iter().flat_map(Attributes::texts);
        if let Some(fault) = std::iter::once(name).chain(said).find_map(name_fault) {
            return Err(EditError::Name { edit, fault });
        }
        // Of a kind that a label file knew, all are listed; of one that a person brings in, who knows.
        let known = self.scene.objects.iter().any(|other| other.name == name);
        self.scene.exhaustive &= known || self.scene.source.is_rendered();
        if let Some(renamed) = self.scene.objects.get_mut(at) {
            if renamed.name != name {
                renamed.plural = plural(name);
            }
            name.clone_into(&mut renamed.name);
            renamed.named_by = NameSource::Person;
            if let Some(attributes) = attributes {
                renamed.attributes.clone_from(attributes);
            }
        }
        Ok(())
    }

    fn merge(&mut self, edit: usize, into: u32, others: &[u32]) -> Result<(), EditError> {
        if others.is_empty() {
            return Err(EditError::MergeOne { edit, object: into });
        }
        let mut seen = BTreeSet::from([into]);
        if let Some(twice) = others.iter().find(|other| !seen.insert(**other)) {
            return Err(EditError::MergeTwice { edit, object: *twice });
        }
        for &other in others {
            let (target, part) = (self.index(edit, into)?, self.index(edit, other)?);
            let (Some(first), Some(second)) = (self.scene.objects.get(target), self.scene.objects.get(part))
            else {
                continue;
            };
            let whole = exact::union(first, second);
            self.nearer_of_both(target, part);
            if let Some(object) = self.scene.objects.get_mut(target) {
                *object = whole;
            }
            self.remove(part);
            self.numbers.put(other, into);
            self.merged.remove(&other);
        }
        self.merged.insert(into);
        Ok(())
    }

    /// Gives `target` the nearer of the distances that it and `part` have to every other object: nothing of a union is nearer than the
    /// nearest of its parts.
    fn nearer_of_both(&mut self, target: usize, part: usize) {
        let mut found = Vec::new();
        for other in (0..self.scene.objects.len()).filter(|other| ![target, part].contains(other)) {
            let of = |one: usize| self.scene.pair(one, other).map(|pair| seen_from(pair, one, other));
            let nearest = match (of(target), of(part)) {
                (Some(a), Some(b)) => Some(if b.distance.value < a.distance.value { b } else { a }),
                (a, b) => a.or(b),
            };
            if let Some(pair) = nearest {
                found.push(PairDistance { a: target as u32, ..pair });
            }
        }
        self.put_pairs(target, found);
    }

    /// Replaces the pairs of `one`; those given have it as `a`.
    fn put_pairs(&mut self, one: usize, found: Vec<PairDistance>) {
        let pairs = &mut self.scene.pairs;
        pairs.retain(|pair| pair.a as usize != one && pair.b as usize != one);
        pairs.extend(found.into_iter().map(|pair| if pair.a < pair.b { pair } else { turned(pair) }));
        pairs.sort_by_key(|pair| (pair.a, pair.b));
    }

    fn remove(&mut self, at: usize) {
        self.scene.objects.remove(at);
        let gone = at as u32;
        self.scene.pairs.retain(|pair| pair.a != gone && pair.b != gone);
        for pair in &mut self.scene.pairs {
            pair.a -= u32::from(pair.a > gone);
            pair.b -= u32::from(pair.b > gone);
        }
    }

    fn name(&self, id: u32) -> String {
        let object = self.scene.index_of(id).and_then(|at| self.scene.objects.get(at));
        object.map_or_else(String::new, |object| object.name.clone())
    }

    /// Measures what was merged; `before` is the scene as it was lifted.
    fn measure(&mut self, before: &Scene, observed: Option<&Observed<'_>>) -> Result<(), EditError> {
        let merged: Vec<u32> = self.merged.iter().copied().collect();
        let Some(first) = merged.first() else { return Ok(()) };
        let observed = observed
            .ok_or_else(|| EditError::NoPixels { name: self.name(*first), what: "depth or cloud" })?;
        let mut ids = observed.ids.clone();
        self.numbers.change(&mut ids);
        if self.scene.source.is_rendered() {
            for &id in &merged {
                let depth = exact::depth(observed, &ids, id).ok_or_else(|| EditError::NoPixels {
                    name: self.name(id),
                    what: "depth of its pixels",
                })?;
                if let Some(at) = self.scene.index_of(id)
                    && let Some(object) = self.scene.objects.get_mut(at)
                {
                    object.depth = depth;
                }
            }
            return Ok(());
        }
        let instances = Instances::new(
            self.scene.image.width,
            self.scene.image.height,
            ids,
            self.scene.objects.iter().filter_map(label).collect(),
        )?;
        let found = again::measure(&self.scene, again::noise(before), observed, &instances, &merged)?;
        for (id, object) in found.objects {
            let object = object.map_err(|reason| EditError::Unmeasured { name: self.name(id), reason })?;
            if let Some(at) = self.scene.index_of(id)
                && let Some(place) = self.scene.objects.get_mut(at)
            {
                *place = object;
            }
        }
        for pair in found.pairs {
            let places = self.scene.index_of(pair.a).zip(self.scene.index_of(pair.b));
            let Some((a, b)) = places else { continue };
            let pair = PairDistance { a: a as u32, b: b as u32, ..pair };
            let pair = if a < b { pair } else { turned(pair) };
            let pairs = &mut self.scene.pairs;
            match pairs.binary_search_by_key(&(pair.a, pair.b), |pair| (pair.a, pair.b)) {
                Ok(at) => pairs[at] = pair,
                Err(at) => pairs.insert(at, pair),
            }
        }
        Ok(())
    }
}

fn label(object: &Object) -> Option<Label> {
    Some(Label {
        id: u16::try_from(object.id).ok()?,
        name: object.name.clone(),
        plural: object.plural.clone(),
        named_by: object.named_by,
        attributes: object.attributes.clone(),
    })
}

/// The pair with `one` as its `a`.
fn seen_from(pair: &PairDistance, one: usize, other: usize) -> PairDistance {
    let own = if pair.a as usize == one { *pair } else { turned(*pair) };
    PairDistance { a: one as u32, b: other as u32, ..own }
}

fn turned(pair: PairDistance) -> PairDistance {
    PairDistance { a: pair.b, b: pair.a, point_a: pair.point_b, point_b: pair.point_a, ..pair }
}

impl SceneSource {
    /// Whether the renderer made it, edited or not: everything visible is listed and extents are exact.
    #[must_use]
    pub fn is_rendered(&self) -> bool {
        match self {
            Self::Rendered { .. } => true,
            Self::Lifted { .. } => false,
            Self::Edited { from, .. } => from.is_rendered(),
        }
    }

    /// The source of a scene after more edits.
    fn edited(&self, more: &[Edit]) -> Self {
        match self {
            Self::Edited { from, edits } => {
                Self::Edited { from: from.clone(), edits: edits.iter().chain(more).cloned().collect() }
            }
            other => Self::Edited { from: Box::new(other.clone()), edits: more.to_vec() },
        }
    }
}

impl Attributes {
    fn texts(&self) -> impl Iterator<Item = &str> {
        [&self.colour, &self.material, &self.pattern, &self.caption].into_iter().filter_map(Option::as_deref)
    }
}
