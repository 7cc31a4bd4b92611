//! The window in a test, with the real engine and the demo pack.

use std::path::Path;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumb_ui::App;
use plumb_ui::link::InProcess;
use plumb_ui::pane::{Pane, Workspace};
use plumb_ui::session::Session;
use plumb_ui::theme::Mode;

/// A window of `size` logical pixels. Without `graphics` nothing is drawn, which is much faster.
pub(crate) fn window_of(
    session: Session,
    runs: &Path,
    size: [f32; 2],
    graphics: bool,
) -> Harness<'static, App> {
    let link = InProcess::start(egui::Context::default()).unwrap();
    let runs = runs.to_owned();
    let builder = Harness::builder().with_size(size).with_max_steps(16);
    let builder = if graphics { builder.wgpu() } else { builder };
    builder.build_eframe(move |creation| {
        App::with_session(Box::new(link), session)
            .with_runs(runs)
            .with_graphics(creation.wgpu_render_state.clone())
    })
}

/// A session that shows `workspace`, without motion.
pub(crate) fn session(mode: Mode, workspace: Workspace) -> Session {
    Session { mode, workspace, reduced_motion: true, ..Session::default() }
}

/// Brings `pane` to the front of its tabs.
pub(crate) fn front(session: &mut Session, workspace: Workspace, pane: Pane) {
    session.layout(workspace).make_active(|_, tile| matches!(tile, egui_tiles::Tile::Pane(p) if *p == pane));
}

/// Goes on until nothing is read or done and the window stands still.
pub(crate) fn settle(harness: &mut Harness<'_, App>) {
    let began = Instant::now();
    loop {
        harness.run_ok();
        if !harness.state().is_busy() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "still busy");
        std::thread::sleep(Duration::from_millis(10));
    }
    harness.run_ok();
}

/// Goes on until `seen` is true.
pub(crate) fn until(harness: &mut Harness<'_, App>, what: &str, seen: impl Fn(&Harness<'_, App>) -> bool) {
    let began = Instant::now();
    while !seen(harness) {
        harness.step();
        if began.elapsed() > Duration::from_secs(180) {
            let labels: Vec<String> = harness
                .query_all_by(|_| true)
                .filter_map(|node| {
                    let node = node.accesskit_node();
                    node.label().or_else(|| node.value())
                })
                .collect();
            panic!("{what} did not come; there is {labels:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether something on the window has `text` in its name.
pub(crate) fn says(harness: &Harness<'_, App>, text: &str) -> bool {
    harness.query_all_by_label_contains(text).next().is_some()
}

#[derive(Debug)]
struct Dropped(std::path::PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

/// Drops a file or folder on the window.
pub(crate) fn drop_on(harness: &mut Harness<'_, App>, path: &Path) {
    harness.input_mut().dropped_files = vec![std::sync::Arc::new(Dropped(path.to_owned()))];
    harness.step();
    settle(harness);
}
