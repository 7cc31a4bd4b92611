//! The window on the desktop.

use std::path::PathBuf;

use crate::App;
use crate::link::InProcess;
use crate::meter::Measure;

/// Opens the window and returns when it is closed; `files` are opened in it. With `measure` it closes by itself and leaves
/// its figures.
///
/// # Errors
/// When there is no display, or no graphics that can draw on it.
pub fn run(files: Vec<PathBuf>, measure: Option<Measure>) -> anyhow::Result<()> {
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Plumbline")
            .with_app_id("plumbline")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([720.0, 480.0])
            .with_drag_and_drop(true),
        ..eframe::NativeOptions::default()
    };
    eframe::run_native(
        "plumbline",
        options,
        Box::new(|creation| {
            let link = InProcess::start(creation.egui_ctx.clone())?;
            Ok(Box::new(App::new(creation, Box::new(link), files).with_measure(measure)))
        }),
    )
    .map_err(|error| anyhow::anyhow!("no window can be opened: {error}"))
}
