//! The way to the engine: requests there, events back. One protocol, several transports; here the one within the process.

use std::sync::mpsc::{self, Receiver};

use plumb_engine::{Engine, Event, JobId, Request, Settings};

/// A transport of the engine's protocol. Nothing here waits.
pub trait Link {
    /// Queues a job.
    ///
    /// # Errors
    /// A sentence, when the engine is gone.
    fn submit(&mut self, request: Request) -> Result<JobId, String>;
    /// Asks a job to stop; what it has written stays.
    fn cancel(&mut self, job: JobId);
    /// Asks a training to save and wait, a download to wait.
    fn pause(&mut self, job: JobId);
    /// Lets a paused training go on.
    fn resume(&mut self, job: JobId);
    /// What has happened since the last call.
    fn events(&mut self) -> Vec<Event>;
}

/// The engine in this process.
pub struct InProcess {
    engine: Engine,
    events: Receiver<Event>,
}

impl InProcess {
    /// Starts an engine whose events wake the window.
    ///
    /// # Errors
    /// A sentence, when a thread cannot be started.
    pub fn start(ctx: egui::Context) -> Result<Self, String> {
        Self::start_with(ctx, Settings::default())
    }

    /// [`InProcess::start`] with an engine of these settings.
    ///
    /// # Errors
    /// As [`InProcess::start`].
    pub fn start_with(ctx: egui::Context, settings: Settings) -> Result<Self, String> {
        let (engine, from_engine) = Engine::start_with(settings).map_err(|e| e.to_string())?;
        let (to_window, events) = mpsc::channel();
        std::thread::Builder::new()
            .name("plumb-events".into())
            .spawn(move || {
                while let Ok(event) = from_engine.recv() {
                    if to_window.send(event).is_err() {
                        return;
                    }
                    ctx.request_repaint();
                }
            })
            .map_err(|e| format!("the thread for events does not start: {e}"))?;
        Ok(Self { engine, events })
    }
}

impl Link for InProcess {
    fn submit(&mut self, request: Request) -> Result<JobId, String> {
        self.engine.submit(request).map_err(|e| e.to_string())
    }

    fn cancel(&mut self, job: JobId) {
        self.engine.cancel(job);
    }

    fn pause(&mut self, job: JobId) {
        self.engine.pause(job);
    }

    fn resume(&mut self, job: JobId) {
        self.engine.resume(job);
    }

    fn events(&mut self) -> Vec<Event> {
        self.events.try_iter().collect()
    }
}
