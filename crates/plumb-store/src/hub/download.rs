//! Fetching the files of a plan: resuming, checking, and putting them where they belong.

use super::digest::{Hasher, Kind};
use super::error::io_error;
use super::http::{self, Failure, Message, header, is_transient, normal_etag};
use super::layout::{RepoFolder, Snapshot};
use super::plan::refused;
use super::{DownloadPlan, Hub, HubError, PlannedFile};
use crate::durable::sync_dir;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};
use ureq::http::HeaderMap;

/// A file is given up after this many broken connections, however much each of them brought.
const MAX_CUTS: u32 = 200;
const TICK: Duration = Duration::from_millis(50);

/// A flag that stops a download; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the download to stop; it does within a fraction of a second.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn check(&self) -> Result<(), HubError> {
        if self.is_cancelled() { Err(HubError::Cancelled) } else { Ok(()) }
    }

    /// Sleeps, unless asked to stop.
    pub(super) fn sleep(&self, time: Duration) -> Result<(), HubError> {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(TICK));
        }
    }
}

/// How far a download or verification is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The file at work.
    pub file: String,
    /// Bytes of it that are here.
    pub file_done: u64,
    /// Its size.
    pub file_total: u64,
    /// Bytes of all files that are here.
    pub done: u64,
    /// Size of all files.
    pub total: u64,
    /// Over the last seconds; 0 at the start.
    pub bytes_per_second: f64,
}

/// Turns bytes into [`Progress`], at most every 50 ms and at each file's start and end.
pub(super) struct Meter<'a> {
    now: Progress,
    report: &'a mut dyn FnMut(&Progress),
    reported: Instant,
    measured: Instant,
    since: u64,
}

impl<'a> Meter<'a> {
    pub(super) fn new(total: u64, done: u64, report: &'a mut dyn FnMut(&Progress)) -> Self {
        let now =
            Progress { file: String::new(), file_done: 0, file_total: 0, done, total, bytes_per_second: 0.0 };
        Self { now, report, reported: Instant::now(), measured: Instant::now(), since: 0 }
    }

    /// A file begins with `done` bytes here, which the total counts already.
    pub(super) fn file(&mut self, name: &str, total: u64, done: u64) {
        self.now.file = name.to_owned();
        self.now.file_total = total;
        self.now.file_done = done;
        self.tell();
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.now.file_done += bytes;
        self.now.done += bytes;
        self.since += bytes;
        let elapsed = self.measured.elapsed().as_secs_f64();
        if elapsed >= 0.5 {
            let rate = self.since as f64 / elapsed;
            let old = self.now.bytes_per_second;
            self.now.bytes_per_second = if old == 0.0 { rate } else { 0.7 * old + 0.3 * rate };
            self.measured = Instant::now();
            self.since = 0;
        }
        if self.reported.elapsed() >= TICK || self.now.file_done >= self.now.file_total {
            self.tell();
        }
    }

    /// What is here of the file turns out to be `done` bytes.
    fn set_file(&mut self, done: u64) {
        self.now.done = self.now.done.saturating_sub(self.now.file_done).saturating_add(done);
        self.now.file_done = done;
        self.tell();
    }

    fn tell(&mut self) {
        self.reported = Instant::now();
        (self.report)(&self.now);
    }
}

impl Hub {
    /// Fetches what a plan lacks and returns the model's folder. `progress` hears about every file; `cancel` stops
    /// within a fraction of a second and keeps what was fetched for the next try.
    ///
    /// The branch or tag is noted last, so an interrupted update leaves the old model in use.
    ///
    /// # Errors
    /// The disk is full; the network stays down; the server refuses or sends other bytes than it promised.
    pub fn download(
        &self,
        plan: &DownloadPlan,
        progress: &mut dyn FnMut(&Progress),
        cancel: &Cancel,
    ) -> Result<Snapshot, HubError> {
        if self.config.offline {
            return Err(HubError::Offline { id: plan.id.clone(), cache: self.config.cache.clone() });
        }
        let repo = RepoFolder::new(&self.config.cache, &plan.id);
        repo.create()?;
        self.check_space(plan.remaining_bytes())?;
        let here = plan.total_bytes().saturating_sub(plan.remaining_bytes());
        let mut meter = Meter::new(plan.total_bytes(), here, progress);
        for file in &plan.files {
            meter.file(&file.name, file.bytes, file.present);
            self.fetch(plan, &repo, file, &mut meter, cancel)?;
            repo.link(&plan.commit, &file.name, &file.etag)?;
        }
        repo.write_ref(plan.id.revision(), &plan.commit)?;
        Ok(Snapshot { folder: repo.snapshot(&plan.commit), commit: plan.commit.clone() })
    }

    /// Bytes that are free on the disk of the cache, where the system tells.
    #[must_use]
    pub fn free_space(&self) -> Option<u64> {
        // A cache that does not exist yet will be on the disk of the folder that is to hold it.
        self.config
            .cache
            .ancestors()
            .find(|folder| folder.is_dir())
            .and_then(|folder| fs4::available_space(folder).ok())
    }

    fn check_space(&self, needed: u64) -> Result<(), HubError> {
        match fs4::available_space(&self.config.cache) {
            Ok(available) if available < needed => {
                Err(HubError::DiskFull { folder: self.config.cache.clone(), needed, available })
            }
            Ok(_) => Ok(()),
            // Some network disks do not tell; a full one is then found by the write.
            Err(error) => {
                tracing::debug!(%error, "the free space of the cache's disk is not known");
                Ok(())
            }
        }
    }

    fn fetch(
        &self,
        plan: &DownloadPlan,
        repo: &RepoFolder,
        file: &PlannedFile,
        meter: &mut Meter<'_>,
        cancel: &Cancel,
    ) -> Result<(), HubError> {
        let blob = repo.blob(&file.etag);
        let whole = || fs::metadata(&blob).is_ok_and(|data| data.len() == file.bytes);
        if !whole() {
            let lock = repo.lock(&file.etag, cancel)?;
            // Another process may have finished it while this one waited.
            if !whole() {
                let mut partial = Partial::open(repo.unfinished(&file.etag), file, cancel)?;
                meter.set_file(partial.have);
                self.fill(plan, file, &mut partial, meter, cancel)?;
                partial.publish(&blob)?;
                let blobs = repo.blobs();
                sync_dir(&blobs).map_err(io_error("syncing the folder", &blobs))?;
            }
            drop(lock);
        }
        meter.set_file(file.bytes);
        Ok(())
    }

    /// Requests until the partial file is whole and right.
    fn fill(
        &self,
        plan: &DownloadPlan,
        file: &PlannedFile,
        partial: &mut Partial,
        meter: &mut Meter<'_>,
        cancel: &Cancel,
    ) -> Result<(), HubError> {
        let url = self.client.file_url(plan.id.repo(), &plan.commit, &file.name);
        let retry = self.client.retry();
        // The etag that If-Range compares with is the storage server's own, known from its first answer; the hub's
        // only where the hub itself serves the bytes.
        let mut range_etag = file.direct.then(|| file.etag.clone());
        let mut restarted = false;
        let (mut fruitless, mut cuts) = (0, 0);
        loop {
            cancel.check()?;
            if partial.have == file.bytes {
                match partial.check() {
                    Ok(()) => return Ok(()),
                    // Bytes of several connections or of an earlier day may not fit together: one clean try.
                    Err(_) if partial.pieced && !restarted => {
                        restarted = true;
                        partial.discard()?;
                        meter.set_file(0);
                    }
                    Err(error) => {
                        partial.remove();
                        return Err(error);
                    }
                }
            }
            let before = partial.have;
            let (failure, asked) = match self.attempt(&url, file, partial, &mut range_etag, meter, cancel) {
                Ok(()) => continue,
                Err(Broken::Fatal(error)) => return Err(error),
                Err(Broken::Refused(status, headers)) => {
                    return Err(refused(
                        &plan.id,
                        &format!("file {} in {}", file.name, plan.id),
                        &url,
                        status,
                        &headers,
                    ));
                }
                Err(Broken::Busy(status, asked)) => (Err(status), asked),
                Err(Broken::Cut(reason)) => (Ok(reason), None),
            };
            cuts += 1;
            fruitless = if partial.have > before { 1 } else { fruitless + 1 };
            if fruitless >= retry.attempts.max(1) || cuts >= MAX_CUTS {
                return Err(http::give_up(&url, cuts, failure));
            }
            tracing::info!(file = file.name, have = partial.have, ?failure, "the download is tried again");
            partial.pieced = partial.have > 0;
            cancel.sleep(http::wait(&retry, fruitless, asked))?;
        }
    }

    /// One request, as far as it goes.
    fn attempt(
        &self,
        url: &str,
        file: &PlannedFile,
        partial: &mut Partial,
        range_etag: &mut Option<String>,
        meter: &mut Meter<'_>,
        cancel: &Cancel,
    ) -> Result<(), Broken> {
        let mut headers = Vec::new();
        if partial.have > 0 {
            headers.push(("range", format!("bytes={}-", partial.have)));
            if let Some(etag) = range_etag {
                headers.push(("if-range", format!("\"{etag}\"")));
            }
        }
        let messages = self.client.stream(url, headers);
        let mut heard = Instant::now();
        loop {
            cancel.check()?;
            let message = match messages.recv_timeout(TICK) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout)
                    if heard.elapsed() <= self.client.stall().saturating_mul(4) =>
                {
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Broken::Cut("the server says nothing".to_owned()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Broken::Cut("the connection ended".to_owned()));
                }
            };
            heard = Instant::now();
            match message {
                Message::Head { status, headers } => {
                    begin(status, &headers, file, partial, meter)?;
                    // Only a strong etag says that two answers are the same bytes.
                    *range_etag = header(&headers, "etag")
                        .filter(|etag| !etag.starts_with("W/"))
                        .map(|etag| normal_etag(&etag).to_owned());
                }
                Message::Chunk(bytes) => {
                    let sent = partial.have.saturating_add(bytes.len() as u64);
                    if sent > file.bytes {
                        partial.remove();
                        return Err(Broken::Fatal(wrong_length(file, sent)));
                    }
                    partial.write(&bytes, file)?;
                    meter.add(bytes.len() as u64);
                }
                Message::End if partial.have == file.bytes => return Ok(()),
                Message::End => return Err(Broken::Cut("the connection ended early".to_owned())),
                Message::Failed(Failure::Transport(reason)) => return Err(Broken::Cut(reason)),
                Message::Failed(Failure::Fatal(error)) => return Err(Broken::Fatal(error)),
            }
        }
    }
}

/// Why one request did not finish a file.
enum Broken {
    /// The connection, worth another try.
    Cut(String),
    /// The server is busy, with the wait it asked for.
    Busy(u16, Option<Duration>),
    /// A status that will not change.
    Refused(u16, HeaderMap),
    Fatal(HubError),
}

impl From<HubError> for Broken {
    fn from(error: HubError) -> Self {
        Self::Fatal(error)
    }
}

fn wrong_length(file: &PlannedFile, found: u64) -> HubError {
    HubError::WrongLength { file: file.name.clone(), expected: file.bytes, found }
}

/// Judges the head of an answer: whether its body continues the partial file, starts it anew, or is none.
fn begin(
    status: u16,
    headers: &HeaderMap,
    file: &PlannedFile,
    partial: &mut Partial,
    meter: &mut Meter<'_>,
) -> Result<(), Broken> {
    match status {
        206 => {
            let range = header(headers, "content-range").unwrap_or_default();
            if content_range(&range) == Some((partial.have, file.bytes)) {
                return Ok(());
            }
            partial.discard()?;
            meter.set_file(0);
            Err(Broken::Cut(format!("it sent the range {range:?}, which was not asked for")))
        }
        200 => {
            // The server ignores ranges, or has other bytes than If-Range named: all of it comes again.
            if partial.have > 0 {
                partial.discard()?;
                meter.set_file(0);
            }
            match header(headers, "content-length").and_then(|text| text.trim().parse().ok()) {
                Some(length) if length != file.bytes => {
                    partial.remove();
                    Err(Broken::Fatal(wrong_length(file, length)))
                }
                _ => Ok(()),
            }
        }
        416 => {
            partial.discard()?;
            meter.set_file(0);
            Err(Broken::Cut("it refused the range".to_owned()))
        }
        status if is_transient(status) => Err(Broken::Busy(status, http::retry_after(headers))),
        status => Err(Broken::Refused(status, headers.clone())),
    }
}

/// Start and whole size of `bytes start-end/size`, where the range reaches the end.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end, size): (u64, u64, u64) = (start.parse().ok()?, end.parse().ok()?, size.parse().ok()?);
    (end.checked_add(1) == Some(size)).then_some((start, size))
}

/// A file being filled, with the hash of what it holds.
struct Partial {
    path: PathBuf,
    file: File,
    have: u64,
    kind: Kind,
    planned: PlannedFile,
    hasher: Hasher,
    /// Whether it was put together from more than one answer.
    pieced: bool,
}

impl Partial {
    /// Opens the unfinished file and hashes what is there.
    fn open(path: PathBuf, planned: &PlannedFile, cancel: &Cancel) -> Result<Self, HubError> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .append(true)
            .open(&path)
            .map_err(io_error("opening", &path))?;
        let kind = Kind::of(&planned.etag);
        let mut hasher = Hasher::new(kind, planned.bytes);
        let mut have = 0;
        let mut buffer = vec![0; 1 << 20];
        loop {
            cancel.check()?;
            let read = file.read(&mut buffer).map_err(io_error("reading", &path))?;
            let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
                break;
            };
            hasher.update(part);
            have += read as u64;
        }
        let mut partial = Self { path, file, have, kind, planned: planned.clone(), hasher, pieced: have > 0 };
        if have > planned.bytes {
            partial.discard()?;
        }
        Ok(partial)
    }

    fn write(&mut self, bytes: &[u8], file: &PlannedFile) -> Result<(), HubError> {
        if let Err(error) = self.file.write_all(bytes) {
            // Part of it may be there; the next try must not count it.
            let _ = self.file.set_len(self.have);
            if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
                let available = fs4::available_space(&self.path).unwrap_or(0);
                let needed = file.bytes - self.have;
                return Err(HubError::DiskFull { folder: self.path.clone(), needed, available });
            }
            return Err(io_error("writing", &self.path)(error));
        }
        self.hasher.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    fn discard(&mut self) -> Result<(), HubError> {
        self.file.set_len(0).map_err(io_error("emptying", &self.path))?;
        self.have = 0;
        self.hasher = Hasher::new(self.kind, self.planned.bytes);
        self.pieced = false;
        Ok(())
    }

    fn remove(&mut self) {
        let _ = self.file.set_len(0);
        let _ = fs::remove_file(&self.path);
    }

    fn check(&self) -> Result<(), HubError> {
        match self.hasher.clone().finish() {
            Some(found) if found != self.planned.etag => Err(HubError::WrongHash {
                file: self.planned.name.clone(),
                kind: self.kind.name(),
                expected: self.planned.etag.clone(),
                found,
            }),
            _ => Ok(()),
        }
    }

    fn publish(&self, blob: &Path) -> Result<(), HubError> {
        self.file.sync_all().map_err(io_error("syncing", &self.path))?;
        fs::rename(&self.path, blob).map_err(io_error("renaming", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_reach_the_end() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10)));
        for text in
            ["", "bytes 5-8/10", "bytes */10", "bytes 5-9/*", "5-9/10", "bytes 5-18446744073709551615/0"]
        {
            assert_eq!(content_range(text), None, "{text}");
        }
    }

    #[test]
    fn progress_adds_up_also_after_a_restart() {
        let mut last = None;
        let mut report = |progress: &Progress| last = Some(progress.clone());
        let mut meter = Meter::new(100, 30, &mut report);
        meter.file("a", 60, 30);
        meter.add(10);
        meter.set_file(0);
        meter.add(60);
        let last = last.unwrap();
        assert_eq!((last.file_done, last.done, last.total), (60, 60, 100));
    }
}
