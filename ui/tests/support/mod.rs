//! The window as tests drive it: the demo pack, the real engine, no session but the one given.

#![allow(dead_code, reason = "every test file takes what it needs")]

use std::path::Path;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use plumb_ui::App;
use plumb_ui::link::InProcess;
use plumb_ui::session::Session;

/// A window with a session; `graphics` draws pictures, without which scenes are not drawn.
pub(crate) fn open(session: Session, runs: &Path, graphics: bool) -> Harness<'static, App> {
    let link = InProcess::start(egui::Context::default()).unwrap();
    let runs = runs.to_owned();
    let builder = Harness::builder().with_size([1200.0, 760.0]).with_max_steps(16);
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
        assert!(began.elapsed() < Duration::from_secs(180), "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}
