//! Plumbline's window: evaluation, scenes, training and questions, drawn with egui.
//!
//! The window knows the engine's requests and events ([`link::Link`]), with the plain types that they carry (a benchmark's
//! samples, a scene, a recipe), and nothing beneath them. Nothing here waits: files are read by the engine, and what has
//! arrived is drawn.

pub mod app;
pub mod ask;
pub mod command;
pub mod cx;
pub mod evaluate;
mod frame;
pub mod jobs;
pub mod library;
pub mod link;
pub mod meter;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod open;
pub mod pane;
pub mod scene;
pub mod session;
pub mod theme;
pub mod train;
pub mod widgets;

pub use app::App;
