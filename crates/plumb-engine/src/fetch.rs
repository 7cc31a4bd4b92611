//! Models of the hub: what a download would bring, and the download itself, which waits, goes on and stops when asked.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use plumb_store::hub::{Cancel, DownloadPlan, Hub, HubError, HubId, ModelRef, Progress, Snapshot};

use crate::demo::{self, Pack};
use crate::error::{EngineError, Result};
use crate::job::Reporter;
use crate::protocol::{EventKind, Outcome};

/// How often a job that waits for the network looks what the person wants.
const TICK: Duration = Duration::from_millis(50);

/// Brings `model` into the cache, looking at the hub even where it is there: a branch may have moved.
///
/// # Errors
/// A name that is none of the hub; as [`Hub::plan`] and [`Hub::download`].
pub(crate) fn run(model: &str, reporter: &Reporter) -> Result<Outcome> {
    let id = id_of(model)?;
    let folder = fetch(&reporter.hub()?, &id, reporter)?.folder;
    Ok(Outcome::Fetch { model: model.to_owned(), folder })
}

/// # Errors
/// A folder, which needs no download, and what names nothing.
pub(crate) fn id_of(model: &str) -> Result<HubId> {
    match ModelRef::parse(model.trim())? {
        ModelRef::Hub(id) => Ok(id),
        ModelRef::Local(folder) => Err(EngineError::Request(format!(
            "{} is a folder of this machine and is used as it is; a model of the hub is named organisation/name",
            folder.display()
        ))),
    }
}

/// The folder of `model`, the demo pack's for its name; a hub id that is not here yet is downloaded, its licence noted first.
pub(crate) fn obtain(model: &str, reporter: &Reporter) -> Result<PathBuf> {
    if model == demo::NAME {
        return Ok(Pack::find()?.model()?);
    }
    let hub = reporter.hub()?;
    match ModelRef::parse(model)? {
        ModelRef::Hub(id) => match hub.cached(&id) {
            Ok(snapshot) => Ok(snapshot.folder),
            Err(error) if hub.config().offline => Err(error.into()),
            Err(_) => Ok(fetch(&hub, &id, reporter)?.folder),
        },
        local @ ModelRef::Local(_) => Ok(hub.locate(&local)?),
    }
}

fn fetch(hub: &Hub, id: &HubId, reporter: &Reporter) -> Result<Snapshot> {
    let mut said = false;
    loop {
        // Anew after each wait: it says how much is here by now.
        let fetched = plan(hub, id, reporter).and_then(|plan| {
            if !said {
                said = true;
                let (megabytes, licence) = (plan.remaining_bytes() as f64 / 1e6, &plan.licence);
                reporter.note(format!("downloading {id} ({megabytes:.0} MB, licence: {licence})"));
            }
            transfer(hub, plan, reporter)
        });
        match fetched {
            Err(EngineError::Hub(HubError::Cancelled)) if reporter.is_paused() => reporter.wait(),
            // Told to wait and at once to go on.
            Err(EngineError::Hub(HubError::Cancelled)) if !reporter.is_cancelled() => {}
            Err(_) if reporter.is_cancelled() => return Err(EngineError::Cancelled),
            other => return other,
        }
    }
}

/// What a download of `id` would bring. A server that says nothing does not keep the job from being stopped.
///
/// # Errors
/// As [`Hub::plan`]; [`HubError::Cancelled`] when the job was asked to stop or wait.
pub(crate) fn plan(hub: &Hub, id: &HubId, reporter: &Reporter) -> Result<DownloadPlan> {
    let (asked, id) = (hub.clone(), id.clone());
    beside(reporter, &Cancel::default(), |_: ()| {}, move |_| asked.plan(&id))
}

fn transfer(hub: &Hub, plan: DownloadPlan, reporter: &Reporter) -> Result<Snapshot> {
    let (hub, cancel) = (hub.clone(), Cancel::default());
    let stop = cancel.clone();
    let tell = |p: Progress| {
        let left = p.total.saturating_sub(p.done) as f64;
        reporter.send(EventKind::Download {
            eta_secs: (p.bytes_per_second > 0.0).then(|| left / p.bytes_per_second),
            file: p.file,
            done: p.done,
            total: p.total,
            bytes_per_second: p.bytes_per_second,
        });
    };
    beside(reporter, &cancel, tell, move |out| {
        hub.download(&plan, &mut |p| drop(out.send(Said::Progress(p.clone()))), &stop)
    })
}

enum Said<P, T> {
    Progress(P),
    Done(std::result::Result<T, HubError>),
}

/// Runs `work` on a thread of its own and passes on what it says. Once the job is asked to stop or wait, `cancel` is set and
/// nothing more is waited for: the thread ends by itself.
fn beside<P: Send + 'static, T: Send + 'static>(
    reporter: &Reporter,
    cancel: &Cancel,
    tell: impl Fn(P),
    work: impl FnOnce(&mpsc::Sender<Said<P, T>>) -> std::result::Result<T, HubError> + Send + 'static,
) -> Result<T> {
    let (out, said) = mpsc::channel();
    std::thread::Builder::new()
        .name("plumb-hub".into())
        .spawn(move || {
            let done = work(&out);
            out.send(Said::Done(done)).ok();
        })
        .map_err(|e| EngineError::Device(format!("a thread for the download does not start: {e}")))?;
    loop {
        match said.recv_timeout(TICK) {
            Ok(Said::Progress(progress)) => tell(progress),
            Ok(Said::Done(done)) => return Ok(done?),
            Err(RecvTimeoutError::Disconnected) => return Err(EngineError::Panicked),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if reporter.is_cancelled() || reporter.is_paused() {
            cancel.cancel();
            return Err(HubError::Cancelled.into());
        }
    }
}
