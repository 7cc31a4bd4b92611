//! The engine: requests in, events out, one thread that owns the device, and one for each job that needs none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use plumb_store::hub::{Hub, HubConfig};

use crate::demo::{self, Pack};
use crate::error::{EngineError, Result};
use crate::protocol::{Event, EventKind, JobId, ModelRequest, Outcome, Request};
use crate::rerun::{self, Rerun};
use crate::session::{Session, read_image};
use crate::{ask, bench, bench_train, data, eval, trace, train};

struct Job {
    id: JobId,
    request: Request,
    wishes: Arc<Wishes>,
}

/// How often a job that waits looks whether it may go on.
const PAUSE: Duration = Duration::from_millis(50);

/// What an engine is told once.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where models come from; by default what the environment says.
    pub hub: Option<HubConfig>,
}

/// What the person wants of a job.
#[derive(Default)]
struct Wishes {
    stop: AtomicBool,
    pause: AtomicBool,
}

/// Runs jobs one after the other. All device work happens on one thread: on GPUs every thread is a stream with memory
/// pools of its own.
pub struct Engine {
    jobs: Option<Sender<Job>>,
    running: Mutex<Vec<(JobId, Weak<Wishes>)>>,
    next: AtomicU64,
    outbox: Sender<Event>,
    settings: Arc<Settings>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Engine {
    /// Starts the engine; its events come out of the receiver.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> Result<(Self, Receiver<Event>)> {
        Self::start_with(Settings::default())
    }

    /// [`Engine::start`] with settings of its own.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_with(settings: Settings) -> Result<(Self, Receiver<Event>)> {
        let settings = Arc::new(settings);
        let for_jobs = settings.clone();
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (outbox, events) = mpsc::channel();
        let for_device = outbox.clone();
        let thread = std::thread::Builder::new()
            .name("plumb-device".into())
            .spawn(move || {
                let mut actor = Actor { session: None, outbox: for_device };
                while let Ok(job) = inbox.recv() {
                    let reporter = Reporter {
                        job: job.id,
                        outbox: actor.outbox.clone(),
                        wishes: job.wishes.clone(),
                        settings: for_jobs.clone(),
                    };
                    let ran = catch_unwind(AssertUnwindSafe(|| {
                        futures_lite::future::block_on(actor.run(job.request, &reporter));
                    }));
                    if ran.is_err() {
                        // What the panic left of the session is not to be trusted.
                        actor.session = None;
                        reporter.end(Err(EngineError::Panicked));
                    }
                }
            })
            .map_err(|e| EngineError::Device(format!("the device thread does not start: {e}")))?;
        let engine = Self {
            jobs: Some(jobs),
            running: Mutex::default(),
            next: AtomicU64::new(1),
            outbox,
            settings,
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
        let wishes = Arc::<Wishes>::default();
        if let Ok(mut running) = self.running.lock() {
            // A window asks for thousands of pictures.
            running.retain(|(_, wishes)| wishes.strong_count() > 0);
            running.push((id, Arc::downgrade(&wishes)));
        }
        if data::is_data(&request) {
            self.start_data(id, request, wishes)?;
            return Ok(id);
        }
        let jobs = self.jobs.as_ref().ok_or(EngineError::Stopped)?;
        jobs.send(Job { id, request, wishes }).map_err(|_| EngineError::Stopped)?;
        Ok(id)
    }

    /// Runs a job that needs no device on a thread of its own. The thread ends with the job; a job whose engine is gone stops at its next step.
    fn start_data(&self, id: JobId, request: Request, wishes: Arc<Wishes>) -> Result<()> {
        let reporter =
            Reporter { job: id, outbox: self.outbox.clone(), wishes, settings: self.settings.clone() };
        std::thread::Builder::new()
            .name("plumb-data".into())
            .spawn(move || {
                reporter.send(EventKind::Started);
                let ran = catch_unwind(AssertUnwindSafe(|| data::run(&request, &reporter)));
                reporter.end(
                    ran.unwrap_or(Some(Err(EngineError::Panicked))).unwrap_or(Err(EngineError::Stopped)),
                );
            })
            .map(drop)
            .map_err(|e| EngineError::Device(format!("a thread for the job does not start: {e}")))
    }

    /// Asks a job to stop at its next step; what it has written stays.
    pub fn cancel(&self, job: JobId) {
        self.wish(job, |wishes| wishes.stop.store(true, Ordering::Relaxed));
    }

    /// Asks a training job to save after its next step and wait, a download to wait at once. Other jobs do not hear it: they are
    /// stopped and resumed instead.
    pub fn pause(&self, job: JobId) {
        self.wish(job, |wishes| wishes.pause.store(true, Ordering::Relaxed));
    }

    /// Lets a paused job go on.
    pub fn resume(&self, job: JobId) {
        self.wish(job, |wishes| wishes.pause.store(false, Ordering::Relaxed));
    }

    fn wish(&self, job: JobId, set: impl Fn(&Wishes)) {
        if let Ok(running) = self.running.lock() {
            running
                .iter()
                .filter(|(id, _)| *id == job)
                .filter_map(|(_, w)| w.upgrade())
                .for_each(|w| set(&w));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Ok(running) = self.running.lock() {
            let wishes = running.iter().filter_map(|(_, wishes)| wishes.upgrade());
            wishes.for_each(|wishes| wishes.stop.store(true, Ordering::Relaxed));
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
    wishes: Arc<Wishes>,
    settings: Arc<Settings>,
}

impl Reporter {
    pub(crate) fn send(&self, kind: EventKind) {
        // Nobody listening is no reason to stop: the run's folder holds the result.
        self.outbox.send(Event { job: self.job, kind }).ok();
    }

    /// The last event of the job.
    fn end(&self, result: Result<Outcome>) {
        self.send(match result {
            Ok(outcome) => EventKind::Finished { outcome },
            Err(EngineError::Cancelled) => EventKind::Cancelled,
            Err(error) => EventKind::Failed { error: error.to_string() },
        });
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.wishes.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.wishes.pause.load(Ordering::Relaxed) && !self.is_cancelled()
    }

    /// Says that the job waits, and waits until it may go on or should stop.
    pub(crate) fn wait(&self) {
        self.send(EventKind::Paused);
        while self.is_paused() {
            std::thread::sleep(PAUSE);
        }
        if !self.is_cancelled() {
            self.send(EventKind::Continued);
        }
    }

    /// Where models come from.
    pub(crate) fn hub(&self) -> Result<Hub> {
        Ok(match &self.settings.hub {
            Some(config) => Hub::new(config.clone())?,
            None => Hub::from_env()?,
        })
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
    async fn run(&mut self, request: Request, reporter: &Reporter) {
        reporter.send(EventKind::Started);
        let result = self.outcome(request, reporter).await;
        reporter.end(result);
    }

    async fn outcome(&mut self, request: Request, reporter: &Reporter) -> Result<Outcome> {
        reporter.checkpoint()?;
        match request {
            // What the person gave is opened first: a wrong path should not cost loading a model.
            Request::Ask { model, image, question, options, preset, sampling, max_tokens, attention } => {
                sampling.validate()?;
                let image = image.as_deref().map(read_image).transpose()?;
                let session = self.session(&model, reporter).await?;
                let ask = ask::Ask { image, question, options, preset, sampling, max_tokens, attention };
                Ok(Outcome::Ask(Box::new(ask::run(session, ask, reporter).await?)))
            }
            Request::Eval { model, bench, out, preset, scoring, image, limit, max_tokens } => {
                let bench = demo::or(&bench, Pack::benchmark)?;
                let eval = eval::Eval { bench, out, preset, scoring, image, limit, max_tokens };
                let bench = plumb_bench::Benchmark::open(&eval.bench)?;
                let session = self.session(&model, reporter).await?;
                eval::run(session, &bench, &eval, reporter).await
            }
            Request::Rerun { model, bench, row, prompt, options, image, preset, scoring, max_tokens } => {
                let rerun = Rerun { bench, row, prompt, options, image, preset, scoring, max_tokens };
                let ready = rerun.prepare()?;
                let session = self.session(&model, reporter).await?;
                Ok(Outcome::Rerun(Box::new(rerun::run(session, rerun, ready, reporter).await?)))
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
            Request::BenchTrain { model, step } => {
                // The model is changed by learning: nobody else gets it.
                self.session = None;
                bench_train::run(Session::open(&model, reporter).await?, step, reporter).await
            }
            Request::Train { config, device, resume, dry_run } => {
                self.session = None;
                train::run(*config, device, resume, dry_run, reporter).await
            }
            request => data::run(&request, reporter).unwrap_or(Err(EngineError::Stopped)),
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
