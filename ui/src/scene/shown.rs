//! What is shown of a scene: as it is stored, or as it is after what the person changed.

use plumb_engine::look::{Look, SceneSeen, Seen};

use super::SceneView;
use crate::cx::Cx;
use crate::library::Loaded;

/// What was shown last, with its place: it stays while what follows a change is computed.
#[derive(Default)]
pub(super) struct Last {
    scene: Option<(String, Loaded)>,
    questions: Option<(String, Loaded)>,
    /// What was asked for to show the scene.
    look: Option<Look>,
    /// Whether scene and questions are those of before the last change.
    stale: [bool; 2],
}

impl SceneView {
    /// The scene that is shown. After a change, the one of before stays until the new one is there; a change that cannot be made is
    /// taken back.
    pub(super) fn shown_scene(&mut self, cx: &mut Cx<'_>) -> Loaded {
        let (place, look) = (self.place(), self.look());
        let loaded = cx.look(&look);
        match &loaded {
            Loaded::Ready(seen) => {
                if let (Seen::Scene(seen), Some(history)) = (seen.as_ref(), self.histories.get(&place))
                    && !history.done.is_empty()
                    && history.scene != seen.scene.id
                {
                    self.histories.remove(&place);
                    cx.fail(
                        "Another scene stands where an edited one was: the changes to that one were dropped",
                    );
                    return Loaded::Waiting;
                }
                if let Seen::Scene(seen) = seen.as_ref() {
                    self.chosen.keep(|id| seen.scene.objects.iter().any(|object| object.id == id));
                }
                self.last.stale[0] = false;
                if self.last.look.as_ref() != Some(&look) {
                    // Every change makes a cloud of its own: only the one that is shown is kept, and the one that was stored.
                    if let Some(old @ Look::EditedScene { .. }) = self.last.look.replace(look) {
                        cx.library.forget(&old);
                    }
                }
                self.last.scene = Some((place, loaded.clone()));
            }
            Loaded::Failed(sentence) => {
                // Without a scene that was shown before it, it is not the last change that is at fault.
                let last = self.last_of(&place);
                let history = self.histories.get_mut(&place).filter(|history| !history.done.is_empty());
                if let (Some(last), Some(history)) = (last, history) {
                    history.drop_last();
                    cx.fail(format!("The change was not made: {sentence}"));
                    return last;
                }
            }
            Loaded::Waiting => {
                if let Some(last) = self.last_of(&place) {
                    self.last.stale[0] = true;
                    return last;
                }
            }
        }
        loaded
    }

    fn last_of(&self, place: &str) -> Option<Loaded> {
        self.last.scene.as_ref().filter(|(of, _)| of == place).map(|(_, loaded)| loaded.clone())
    }

    /// The scene that was shown last, where it is the one of now.
    pub(super) fn seen(&self) -> Option<&SceneSeen> {
        self.last
            .scene
            .as_ref()
            .filter(|(of, _)| *of == self.place())
            .and_then(|(_, loaded)| scene_of(loaded))
    }

    /// Whether what is shown is of before the last change.
    pub(super) fn is_waiting(&self) -> bool {
        self.last.stale.contains(&true)
    }

    /// What is asked about the scene that is shown; after a change, what was asked before it until the new questions are there.
    pub(super) fn questions(&mut self, seen: &SceneSeen, cx: &mut Cx<'_>) -> Loaded {
        let (folder, index, place) = (self.folder(), self.index, self.place());
        let look = match self.edits() {
            [] => Look::Questions { folder, scene: seen.scene.id.clone() },
            edits => Look::EditedQuestions { folder, index, edits: edits.to_vec() },
        };
        let mut loaded = cx.look(&look);
        self.last.stale[1] = false;
        match (&loaded, &self.last.questions) {
            (Loaded::Waiting, Some((of, last))) if *of == place => {
                self.last.stale[1] = true;
                loaded = last.clone();
            }
            (Loaded::Ready(_), _) => self.last.questions = Some((place, loaded.clone())),
            // Those of another scene are not shown beside an error.
            _ => self.asked.forget(),
        }
        let verdicts = self.verdicts.get(&seen.scene.id);
        self.asked.refresh(&loaded, &self.chosen.objects, verdicts, self.judgements);
        loaded
    }
}

/// The scene in what was read.
pub(super) fn scene_of(loaded: &Loaded) -> Option<&SceneSeen> {
    match loaded.ready() {
        Some(Seen::Scene(seen)) => Some(seen),
        _ => None,
    }
}
