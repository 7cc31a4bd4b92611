//! Which pixel belongs to which object.

use serde::{Deserialize, Serialize};

use crate::scene::{Attributes, NameSource};
use crate::{Result, SceneError};

/// Instance masks of an image that do not overlap: one object number a pixel, 0 for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    width: u32,
    height: u32,
    ids: Vec<u16>,
    /// What is known of each number, in ascending order of `id`.
    pub labels: Vec<Label>,
}

/// The name of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Number in the mask, not 0.
    pub id: u16,
    /// Head noun in the singular.
    pub name: String,
    /// Plural of `name`.
    pub plural: String,
    pub named_by: NameSource,
    pub attributes: Attributes,
}

impl Instances {
    /// # Errors
    /// [`SceneError::Unusable`] if there are not `width * height` numbers, or a label is 0 or twice there.
    pub fn new(width: u32, height: u32, ids: Vec<u16>, mut labels: Vec<Label>) -> Result<Self> {
        let wrong = |detail: String| SceneError::Unusable { what: "instance masks".to_owned(), detail };
        if ids.len() as u64 != u64::from(width) * u64::from(height) {
            return Err(wrong(format!("{} pixels, expected {width}x{height}", ids.len())));
        }
        labels.sort_by_key(|label| label.id);
        if labels.first().is_some_and(|label| label.id == 0) {
            return Err(wrong("object number 0, which means no object".to_owned()));
        }
        if let Some(pair) = labels.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(wrong(format!("object number {} twice", pair[0].id)));
        }
        Ok(Self { width, height, ids, labels })
    }

    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Object numbers, row by row.
    #[must_use]
    pub fn ids(&self) -> &[u16] {
        &self.ids
    }

    #[must_use]
    pub fn label(&self, id: u16) -> Option<&Label> {
        self.labels.binary_search_by_key(&id, |label| label.id).ok().and_then(|at| self.labels.get(at))
    }
}
