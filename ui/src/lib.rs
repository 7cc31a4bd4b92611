//! Plumbline's window: evaluation, scenes, training and questions, drawn with egui.
//!
//! The window knows the engine's requests and events ([`link::Link`]), with the plain types that they carry (a benchmark's
//! samples, a scene, a recipe), and nothing beneath them. Nothing here waits: files are read by the engine, and what has
//! arrived is drawn.

pub mod app;
pub mod ask;
pub mod command;
pub mod cx;
mod dialog;
pub mod evaluate;
mod fields;
mod frame;
pub mod jobs;
pub mod library;
mod lift;
pub mod link;
pub mod meter;
mod models;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod open;
pub mod pane;
mod picker;
pub mod scene;
pub mod session;
mod task;
pub mod theme;
pub mod train;
mod unfinished;
mod units;
pub mod widgets;

pub use app::App;
