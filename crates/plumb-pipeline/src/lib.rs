//! Whole data sets: render scenes, lift frames, write questions and answers, verify them.
//!
//! Folders in, folders out, on all cores, without a tensor and without a window: the command line and the engine call the same four functions.
//! An input that cannot be used is put on a quarantine list with its reason, and the rest goes on.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@edit`] | scenes that a person changed, their questions, and their folder |
//! | [`mod@scenes`] | renders procedural scenes with their exact truth |
//! | [`mod@lift`] | colour and depth to scene, cloud and objects |
//! | [`mod@synth`] | scenes to questions and answers |
//! | [`mod@verify`] | recomputes every answer of a data set |
//! | [`accuracy`] | how right lift and answers are, on rendered scenes whose truth is known |
//! | [`noise`] | exact depth and masks made as bad as real ones, to measure what that costs |

pub mod accuracy;
pub mod edit;
mod error;
mod files;
pub mod lift;
mod monitor;
pub mod noise;
mod place;
pub mod scenes;
pub mod synth;
pub mod verify;

pub use edit::{ChangedScene, EditJob, EditReport, ExportJob, edit, export};
pub use error::PipelineError;
pub use files::{Quarantined, find_scenes, read_scene};
pub use lift::{LiftJob, LiftReport, LiftedFrame, lift};
pub use monitor::{Monitor, Silent};
pub use place::ScenePlace;
pub use scenes::{PictureFormat, ScenesJob, ScenesReport, scenes};
pub use synth::{SynthJob, SynthReport, questions, synth};
pub use verify::{VerifyJob, VerifyReport, verify};

/// The result of everything here that can fail.
pub type Result<T, E = PipelineError> = std::result::Result<T, E>;
