//! The coloured point cloud of a scene, as viewers and exporters take it.

use crate::{Result, SceneError};

/// Points with a colour each. `normals` and `instances` hold either nothing or one entry a point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColouredCloud {
    /// Metres in the scene frame (x right, y forward, z up).
    pub positions: Vec<[f32; 3]>,
    /// Unit vectors in the scene frame, or empty.
    pub normals: Vec<[f32; 3]>,
    /// Red, green, blue.
    pub colours: Vec<[u8; 3]>,
    /// Object number of each point (0 for none), or empty.
    pub instances: Vec<u16>,
}

impl ColouredCloud {
    /// Number of points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// # Errors
    /// [`SceneError::Unusable`] if the columns have different lengths or a position or normal is not finite.
    pub fn check(&self) -> Result<()> {
        let wrong = |detail: String| Err(SceneError::Unusable { what: "point cloud".to_owned(), detail });
        let count = self.positions.len();
        for (column, found, may_be_empty) in [
            ("colours", self.colours.len(), false),
            ("normals", self.normals.len(), true),
            ("instances", self.instances.len(), true),
        ] {
            if found != count && !(may_be_empty && found == 0) {
                return wrong(format!("{found} {column} for {count} positions"));
            }
        }
        for (column, vectors) in [("position", &self.positions), ("normal", &self.normals)] {
            if let Some(at) = vectors.iter().position(|v| v.iter().any(|x| !x.is_finite())) {
                return wrong(format!("{column} {at} is not finite"));
            }
        }
        Ok(())
    }
}
