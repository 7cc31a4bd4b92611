//! The window as tests drive it: the demo pack, the real engine, no session but the one given.

#![allow(dead_code, reason = "every test file takes what it needs")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumb_ui::App;
use plumb_ui::link::InProcess;
use plumb_ui::pane::Workspace;
use plumb_ui::session::Session;
use plumb_ui::theme::Mode;

/// Logical pixels of the window where a test has no wish of its own.
pub(crate) const SIZE: [f32; 2] = [1200.0, 760.0];

/// A session that shows `workspace`, without motion.
pub(crate) fn session(mode: Mode, workspace: Workspace) -> Session {
    Session { mode, workspace, reduced_motion: true, ..Session::default() }
}

/// A window with a session; `graphics` draws pictures, without which scenes are not drawn.
pub(crate) fn open(session: Session, runs: &Path, graphics: bool) -> Harness<'static, App> {
    open_on(InProcess::start(egui::Context::default()).unwrap(), session, runs, SIZE, graphics)
}

/// The same on an engine of its own, of another size.
pub(crate) fn open_on(
    link: InProcess,
    session: Session,
    runs: &Path,
    size: [f32; 2],
    graphics: bool,
) -> Harness<'static, App> {
    let runs = runs.to_owned();
    let builder = Harness::builder().with_size(size).with_max_steps(16);
    let builder = if graphics { builder.wgpu() } else { builder };
    builder.build_eframe(move |creation| {
        App::with_session(Box::new(link), session)
            .with_runs(runs)
            .with_graphics(creation.wgpu_render_state.clone())
    })
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
            let names = harness.query_all_by(|_| true).filter_map(|node| {
                let node = node.accesskit_node();
                node.label().or_else(|| node.value())
            });
            panic!("{what} did not come; there is {:?}", names.collect::<Vec<_>>());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether something on the window has `text` in its name.
pub(crate) fn says(harness: &Harness<'_, App>, text: &str) -> bool {
    harness.query_all_by_label_contains(text).next().is_some()
}

/// Clicks the first button of this name, when there is one.
pub(crate) fn press(harness: &mut Harness<'_, App>, name: &str) {
    until(harness, name, |h| h.query_all_by_label(name).next().is_some());
    let button = harness.query_all_by_label(name).next();
    button.unwrap_or_else(|| panic!("there is no button {name:?}")).click_accesskit();
    harness.run_ok();
}

/// A file or folder that is dropped.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

/// Drops files or folders on the window, together.
pub(crate) fn drop_on(harness: &mut Harness<'_, App>, paths: &[PathBuf]) {
    harness.input_mut().dropped_files.clear();
    for path in paths {
        harness.input_mut().dropped_files.push(std::sync::Arc::new(Dropped(path.clone())));
    }
    harness.step();
    settle(harness);
}
