//! Work beside the window: files are listed, copied and written on threads, and the window looks whether they are done.

use std::sync::mpsc::{self, Receiver, TryRecvError};

/// What a thread will bring.
#[derive(Debug)]
pub(crate) struct Task<T> {
    done: Receiver<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Runs `work` on a thread of its own, which wakes the window at its end.
    ///
    /// # Errors
    /// A sentence, when no thread can be started.
    pub(crate) fn start(
        ctx: &egui::Context,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self, String> {
        let (send, done) = mpsc::channel();
        let ctx = ctx.clone();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Nobody listens where the window has changed its mind.
                send.send(work()).ok();
                ctx.request_repaint();
            })
            .map_err(|error| format!("Nothing can be done beside the window: {error}"))?;
        Ok(Self { done })
    }

    /// What it brought, once; `None` while it works. A thread that ended without a word is an error.
    pub(crate) fn poll(&self) -> Option<Result<T, String>> {
        match self.done.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err("It ended without a result".to_owned())),
        }
    }
}
