//! The engine: requests in, events out, one thread that owns the device.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use crate::error::{EngineError, Result};
use crate::protocol::{Event, EventKind, JobId, ModelRequest, Outcome, Request};
use crate::session::{Session, read_image};
use crate::{ask, bench, eval, trace};

struct Job {
    id: JobId,
    request: Request,
    cancel: Arc<AtomicBool>,
}

/// Runs jobs one after the other. All device work happens on one thread: on GPUs every thread is a stream with memory
/// pools of its own.
pub struct Engine {
    jobs: Option<Sender<Job>>,
    running: Mutex<Vec<(JobId, Arc<AtomicBool>)>>,
    next: AtomicU64,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Engine {
    /// Starts the engine; its events come out of the receiver.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> Result<(Self, Receiver<Event>)> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (outbox, events) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("plumb-device".into())
            .spawn(move || {
                let mut actor = Actor { session: None, outbox };
                while let Ok(job) = inbox.recv() {
                    futures_lite::future::block_on(actor.run(job));
                }
            })
            .map_err(|e| EngineError::Device(format!("the device thread does not start: {e}")))?;
        let engine = Self {
            jobs: Some(jobs),
            running: Mutex::default(),
            next: AtomicU64::new(1),
            thread: Some(thread),
        };
        Ok((engine, events))
    }

    /// Queues a job.
    ///
    /// # Errors
    /// When the engine's thread has ended.
    pub fn submit(&self, request: Request) -> Result<JobId> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let cancel = Arc::new(AtomicBool::new(false));
        if let Ok(mut running) = self.running.lock() {
            running.push((id, cancel.clone()));
        }
        let jobs = self.jobs.as_ref().ok_or(EngineError::Stopped)?;
        jobs.send(Job { id, request, cancel }).map_err(|_| EngineError::Stopped)?;
        Ok(id)
    }

    /// Asks a job to stop at its next step; what it has written stays.
    pub fn cancel(&self, job: JobId) {
        if let Ok(running) = self.running.lock() {
            running
                .iter()
                .filter(|(id, _)| *id == job)
                .for_each(|(_, flag)| flag.store(true, Ordering::Relaxed));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Ok(running) = self.running.lock() {
            running.iter().for_each(|(_, flag)| flag.store(true, Ordering::Relaxed));
        }
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported on its own; there is nothing to add while stopping.
            drop(thread.join());
        }
    }
}

/// A job's way to speak, and to hear that it should stop.
pub struct Reporter {
    job: JobId,
    outbox: Sender<Event>,
    cancel: Arc<AtomicBool>,
}

impl Reporter {
    pub(crate) fn send(&self, kind: EventKind) {
        // Nobody listening is no reason to stop: the run's folder holds the result.
        self.outbox.send(Event { job: self.job, kind }).ok();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`EngineError::Cancelled`] once the job was asked to stop.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        if self.is_cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
    }
}

struct Actor {
    session: Option<Session>,
    outbox: Sender<Event>,
}

impl Actor {
    async fn run(&mut self, job: Job) {
        let reporter = Reporter { job: job.id, outbox: self.outbox.clone(), cancel: job.cancel };
        reporter.send(EventKind::Started);
        let kind = match self.outcome(job.request, &reporter).await {
            Ok(outcome) => EventKind::Finished { outcome },
            Err(EngineError::Cancelled) => EventKind::Cancelled,
            Err(error) => EventKind::Failed { error: error.to_string() },
        };
        reporter.send(kind);
    }

    async fn outcome(&mut self, request: Request, reporter: &Reporter) -> Result<Outcome> {
        reporter.checkpoint()?;
        match request {
            // What the person gave is opened first: a wrong path should not cost loading a model.
            Request::Ask { model, image, question, options, preset, sampling, max_tokens } => {
                sampling.validate()?;
                let image = image.as_deref().map(read_image).transpose()?;
                let session = self.session(&model, reporter).await?;
                let ask = ask::Ask { image, question, options, preset, sampling, max_tokens };
                Ok(Outcome::Ask(Box::new(ask::run(session, ask, reporter).await?)))
            }
            Request::Eval { model, bench, out, preset, scoring, image, limit, max_tokens } => {
                let eval = eval::Eval { bench, out, preset, scoring, image, limit, max_tokens };
                let bench = plumb_bench::Benchmark::open(&eval.bench)?;
                let session = self.session(&model, reporter).await?;
                eval::run(session, &bench, &eval, reporter).await
            }
            Request::Trace { model, image, prompt, out } => {
                let image = image.as_deref().map(read_image).transpose()?;
                let session = self.session(&model, reporter).await?;
                trace::run(session, image.as_ref(), &prompt, &out).await
            }
            Request::Bench { model, prompt_tokens, decode, repeat } => {
                let session = self.session(&model, reporter).await?;
                bench::run(session, prompt_tokens, decode, repeat, reporter).await
            }
        }
    }

    /// The session of `request`, the one at hand if it is the same.
    async fn session(&mut self, request: &ModelRequest, reporter: &Reporter) -> Result<&mut Session> {
        if self.session.as_ref().is_none_or(|s| s.request != *request) {
            // Two models at once may not fit.
            self.session = None;
            self.session = Some(Session::open(request, reporter).await?);
        }
        self.session.as_mut().ok_or(EngineError::Stopped)
    }
}
