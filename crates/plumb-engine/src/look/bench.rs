//! Benchmarks: their rows, and the picture of one.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use plumb_bench::{BenchError, Benchmark};
use plumb_image::Limits;

use super::{BenchSeen, Pixels, Seen};
use crate::demo::{self, Pack};
use crate::error::{EngineError, Result};

/// Benchmarks that stay open: reading the rows and the hash of the published files takes a second, and a window asks for
/// picture after picture.
const KEPT: usize = 2;

static OPEN: Mutex<VecDeque<Slot>> = Mutex::new(VecDeque::new());

#[derive(Clone)]
struct Slot {
    path: PathBuf,
    state: Vec<FileState>,
    /// Under a lock of its own: who asks for a benchmark that is being opened waits for it, and nobody else does.
    bench: Arc<Mutex<Option<Arc<Benchmark>>>>,
}

/// Tells a file from what stands under its name later.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    name: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

/// The benchmark at `path`, from those that are open where its files have not changed since.
///
/// # Errors
/// As [`Benchmark::open`].
pub(crate) fn open(path: &Path) -> plumb_bench::Result<Arc<Benchmark>> {
    let state = state(path)?;
    let slot = {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|slot| slot.path != path || slot.state == state);
        let known = open.iter().position(|slot| slot.path == path).and_then(|at| open.remove(at));
        let slot = known.unwrap_or_else(|| Slot { path: path.to_owned(), state, bench: Arc::default() });
        open.push_front(slot.clone());
        open.truncate(KEPT);
        slot
    };
    let mut bench = slot.bench.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bench) = &*bench {
        return Ok(bench.clone());
    }
    let opened = Arc::new(Benchmark::open(path)?);
    *bench = Some(opened.clone());
    Ok(opened)
}

/// A benchmark with this hash that is open, and where it is.
pub(crate) fn opened(sha256: &str) -> Option<(PathBuf, Arc<Benchmark>)> {
    let slots: Vec<Slot> = OPEN.lock().ok()?.iter().cloned().collect();
    slots.into_iter().find_map(|slot| {
        let bench = slot.bench.try_lock().ok()?.clone()?;
        (bench.sha256() == sha256).then_some((slot.path, bench))
    })
}

fn state(path: &Path) -> plumb_bench::Result<Vec<FileState>> {
    let failed = |path: &Path| {
        let file = path.display().to_string();
        move |source| BenchError::Io { file, source }
    };
    let of = |path: &Path| {
        let meta = std::fs::metadata(path).map_err(failed(path))?;
        Ok::<_, BenchError>((
            meta.is_dir(),
            FileState { name: path.to_owned(), bytes: meta.len(), modified: meta.modified().ok() },
        ))
    };
    let (is_folder, own) = of(path)?;
    let mut all = vec![own];
    if is_folder {
        for entry in std::fs::read_dir(path).map_err(failed(path))? {
            // A dangling link is no file of the benchmark.
            if let Ok((false, state)) = of(&entry.map_err(failed(path))?.path()) {
                all.push(state);
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(all)
}

pub(super) fn rows(path: &Path) -> Result<Seen> {
    let path = demo::or(path, Pack::benchmark)?;
    let bench = open(&path)?;
    Ok(Seen::Bench(BenchSeen {
        samples: bench.samples().to_vec(),
        rejected: bench.rejected().iter().map(ToString::to_string).collect(),
        sha256: bench.sha256(),
        identity: bench.identity().clone(),
        official: bench.identity().is_official(),
        path,
    }))
}

pub(super) fn image(path: &Path, row: usize) -> Result<Seen> {
    let path = demo::or(path, Pack::benchmark)?;
    let bytes = open(&path)?.image(row).map_err(|error| match error {
        BenchError::NoSuchRow { .. } | BenchError::NoImage { .. } => {
            EngineError::Request(format!("{}: {error}", path.display()))
        }
        error => error.into(),
    })?;
    let image = plumb_image::decode(&bytes, &Limits::default()).map_err(|source| {
        let path = format!("the picture of row {row} of {}", path.display());
        plumb_vlm::VlmError::from(plumb_image::ImageError::InFile { path, source: Box::new(source) })
    })?;
    Ok(Seen::Image { pixels: Pixels::from(image) })
}
