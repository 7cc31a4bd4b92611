//! Scenes seen lately.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use plumb_scene::{SCENE_VERSION, Scene};

/// Scenes kept. Files as written need one: the pairs of a scene stand together.
const KEPT: usize = 1024;
/// The most bytes of JSON behind the kept scenes, since one scene may be large.
const KEPT_BYTES: usize = 256 << 20;

/// The last scenes read, by their id.
#[derive(Debug, Default)]
pub(super) struct SceneCache {
    scenes: BTreeMap<String, (Arc<Scene>, usize)>,
    order: VecDeque<String>,
    bytes: usize,
}

impl SceneCache {
    pub(super) fn get(&self, id: &str) -> Option<Arc<Scene>> {
        self.scenes.get(id).map(|(scene, _)| Arc::clone(scene))
    }

    /// Keeps a scene; one with the same id is replaced.
    pub(super) fn add(&mut self, scene: Scene, bytes: usize) -> Arc<Scene> {
        let (id, scene) = (scene.id.clone(), Arc::new(scene));
        match self.scenes.insert(id.clone(), (Arc::clone(&scene), bytes)) {
            Some((_, old)) => self.bytes -= old,
            None => self.order.push_back(id),
        }
        self.bytes += bytes;
        while self.order.len() > KEPT || (self.bytes > KEPT_BYTES && self.order.len() > 1) {
            let gone = self.order.pop_front().and_then(|id| self.scenes.remove(&id));
            self.bytes -= gone.map_or(0, |(_, bytes)| bytes);
        }
        scene
    }
}

/// Reads a scene and refuses one of a later version of the record.
pub(super) fn parse_scene(json: &[u8]) -> Result<Scene, String> {
    let scene: Scene = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    if scene.version > SCENE_VERSION {
        return Err(format!(
            "the scene has version {}, this program reads up to {SCENE_VERSION}",
            scene.version
        ));
    }
    Ok(scene)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::samples_for_tests::scene_with_pairs;

    #[test]
    fn the_oldest_scenes_go() {
        let (scene, _) = scene_with_pairs(0);
        let mut cache = SceneCache::default();
        let named = |n: usize| Scene { id: n.to_string(), ..scene.clone() };
        for n in 0..KEPT + 3 {
            cache.add(named(n), 10);
        }
        assert!(cache.get("2").is_none() && cache.get("3").is_some());
        assert_eq!(cache.bytes, KEPT * 10);
        cache.add(named(5), 30);
        assert_eq!(cache.bytes, KEPT * 10 + 20);
        cache.add(named(9999), KEPT_BYTES);
        assert_eq!((cache.order.len(), cache.bytes), (1, KEPT_BYTES));
    }

    #[test]
    fn a_later_version_is_refused() {
        let (scene, _) = scene_with_pairs(0);
        let json = |scene: &Scene| serde_json::to_vec(scene).unwrap();
        assert_eq!(parse_scene(&json(&scene)).as_ref(), Ok(&scene));
        let later = Scene { version: SCENE_VERSION + 1, ..scene };
        assert!(parse_scene(&json(&later)).is_err_and(|e| e.contains("version 2")));
    }
}
