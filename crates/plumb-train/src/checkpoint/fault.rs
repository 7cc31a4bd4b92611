//! A file system in memory that fails, crashes and forgets on demand.
//!
//! What is visible and what is durable are kept apart. A call counts as several operations where a real one can stop
//! half-way, and each operation can be the one that fails. Changes of names stand in a log until the sync of their
//! folder; a power cut keeps any part of that log, and any part of a content that was not synced.

use super::fs::{Entry, EntryKind, Fs};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails without effect; later ones work.
    Fail(ErrorKind),
    /// It and all later ones fail, as on a disk that died.
    FailFromNow(ErrorKind),
    /// It takes effect, a write perhaps in part, and then nothing works until the restart.
    Crash,
}

/// What a restart finds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loss {
    /// The process died, the machine did not: all that was written is there.
    Nothing,
    /// The power was cut: only what was synced is there.
    AllUnsynced,
    /// The power was cut after the system had written some of it, in any order.
    SomeUnsynced(u64),
}

#[derive(Debug, Clone)]
enum Node {
    File { live: Vec<u8>, durable: Vec<u8> },
    Folder { live: BTreeMap<String, usize>, durable: BTreeMap<String, usize> },
}

/// A change of names that no sync has covered yet.
#[derive(Debug, Clone)]
enum Pending {
    Add { folder: usize, name: String, node: usize },
    Drop { folder: usize, name: String },
    Move { from: (usize, String), to: (usize, String), node: usize },
}

#[derive(Debug)]
struct Disk {
    nodes: Vec<Node>,
    pending: Vec<Pending>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    crashed: bool,
    room: u64,
}

/// See the module. Paths are absolute.
#[derive(Debug)]
pub(crate) struct FaultFs(Mutex<Disk>);

const ROOT: usize = 0;

fn refused(kind: ErrorKind) -> io::Error {
    io::Error::new(kind, "injected")
}

fn folder() -> Node {
    Node::Folder { live: BTreeMap::new(), durable: BTreeMap::new() }
}

impl Default for FaultFs {
    fn default() -> Self {
        Self(Mutex::new(Disk {
            nodes: vec![folder()],
            pending: Vec::new(),
            operations: 0,
            fault: None,
            crashed: false,
            room: u64::MAX,
        }))
    }
}

impl FaultFs {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a fault at the `n`-th operation from now, counted from 1.
    pub(crate) fn plan(&self, n: u64, fault: Fault) {
        let mut disk = self.disk();
        disk.fault = Some((disk.operations + n, fault));
    }

    pub(crate) fn clear(&self) {
        self.disk().fault = None;
    }

    /// Whether the planned fault has come.
    pub(crate) fn struck(&self) -> bool {
        let disk = self.disk();
        disk.fault.is_some_and(|(at, _)| disk.operations >= at)
    }

    /// How many bytes all files together may have.
    pub(crate) fn set_room(&self, bytes: u64) {
        self.disk().room = bytes;
    }

    pub(crate) fn used(&self) -> u64 {
        self.disk().used()
    }

    /// Ends the process (and with a loss the machine) and starts it again, without a fault.
    pub(crate) fn restart(&self, loss: Loss) {
        let mut disk = self.disk();
        disk.lose(loss);
        (disk.crashed, disk.fault) = (false, None);
    }

    /// Changes the bytes of a file behind the back of everybody, as a bad disk does.
    pub(crate) fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = self.disk();
        let node = disk.find(path).unwrap().unwrap();
        let Node::File { live, durable } = &mut disk.nodes[node] else { panic!("{path:?} is no file") };
        change(live);
        durable.clone_from(live);
    }
}

impl Disk {
    /// Counts one operation. `Ok(true)`: do it; `Ok(false)`: do it (a write: in part), the crash comes after.
    fn step(&mut self) -> io::Result<bool> {
        if self.crashed {
            return Err(refused(ErrorKind::NotConnected));
        }
        self.operations += 1;
        match self.fault {
            Some((at, Fault::Fail(kind))) if at == self.operations => Err(refused(kind)),
            Some((at, Fault::FailFromNow(kind))) if at <= self.operations => Err(refused(kind)),
            Some((at, Fault::Crash)) if at == self.operations => {
                self.crashed = true;
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// Runs an operation that has effect even where the crash follows it.
    fn effect<T>(&mut self, act: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let goes_on = self.step()?;
        let done = act(self)?;
        if goes_on { Ok(done) } else { Err(refused(ErrorKind::NotConnected)) }
    }

    fn used(&self) -> u64 {
        let mut bytes = 0;
        let mut todo = vec![ROOT];
        while let Some(node) = todo.pop() {
            match &self.nodes[node] {
                Node::File { live, .. } => bytes += live.len() as u64,
                Node::Folder { live, .. } => todo.extend(live.values()),
            }
        }
        bytes
    }

    fn names(&self, node: usize) -> io::Result<&BTreeMap<String, usize>> {
        match &self.nodes[node] {
            Node::Folder { live, .. } => Ok(live),
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn names_mut(&mut self, node: usize) -> io::Result<&mut BTreeMap<String, usize>> {
        match &mut self.nodes[node] {
            Node::Folder { live, .. } => Ok(live),
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn content(&mut self, node: usize) -> io::Result<(&mut Vec<u8>, &mut Vec<u8>)> {
        match &mut self.nodes[node] {
            Node::File { live, durable } => Ok((live, durable)),
            Node::Folder { .. } => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<Option<usize>> {
        let mut node = ROOT;
        for part in path.components() {
            match part {
                Component::RootDir => {}
                Component::Normal(name) => match self.names(node)?.get(name.to_str().unwrap()) {
                    Some(next) => node = *next,
                    None => return Ok(None),
                },
                _ => panic!("{path:?} is not absolute and plain"),
            }
        }
        Ok(Some(node))
    }

    fn must(&self, path: &Path) -> io::Result<usize> {
        self.find(path)?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        let parent = path.parent().ok_or(ErrorKind::InvalidInput)?;
        Ok((self.must(parent)?, path.file_name().unwrap().to_str().unwrap().to_owned()))
    }

    fn add(&mut self, path: &Path, new: Node) -> io::Result<usize> {
        let (folder, name) = self.place(path)?;
        let node = self.nodes.len();
        if self.names(folder)?.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.names_mut(folder)?.insert(name.clone(), node);
        self.nodes.push(new);
        self.pending.push(Pending::Add { folder, name, node });
        Ok(node)
    }

    fn entry(&self, name: String, node: usize) -> Entry {
        match &self.nodes[node] {
            Node::File { live, .. } => Entry { name, kind: EntryKind::File, bytes: live.len() as u64 },
            Node::Folder { .. } => Entry { name, kind: EntryKind::Folder, bytes: 0 },
        }
    }

    /// Appends what there is room for; half of it where the crash comes in the middle.
    fn write(&mut self, node: usize, bytes: &[u8]) -> io::Result<()> {
        let goes_on = self.step()?;
        let room = usize::try_from(self.room.saturating_sub(self.used())).unwrap_or(usize::MAX);
        let wanted = if goes_on { bytes.len() } else { bytes.len() / 2 };
        let fits = wanted.min(room);
        self.content(node)?.0.extend_from_slice(&bytes[..fits]);
        match (goes_on, fits == wanted) {
            (true, true) => Ok(()),
            (true, false) => Err(refused(ErrorKind::StorageFull)),
            (false, _) => Err(refused(ErrorKind::NotConnected)),
        }
    }

    fn sync_content(&mut self, node: usize) -> io::Result<()> {
        self.effect(|disk| {
            let (live, durable) = disk.content(node)?;
            durable.clone_from(live);
            Ok(())
        })
    }

    fn durable_names(&mut self, folder: usize) -> Option<&mut BTreeMap<String, usize>> {
        match &mut self.nodes[folder] {
            Node::Folder { durable, .. } => Some(durable),
            Node::File { .. } => None,
        }
    }

    /// Makes one change of names durable, as far as what it stands on is.
    fn commit(&mut self, change: Pending) {
        match change {
            Pending::Add { folder, name, node } => {
                if let Some(names) = self.durable_names(folder) {
                    names.insert(name, node);
                }
            }
            Pending::Drop { folder, name } => {
                if let Some(names) = self.durable_names(folder) {
                    names.remove(&name);
                }
            }
            Pending::Move { from, to, node } => {
                // A rename whose source never reached the disk has nothing to move.
                let moved = self.durable_names(from.0).filter(|names| names.get(&from.1) == Some(&node));
                if moved.and_then(|names| names.remove(&from.1)).is_some()
                    && let Some(names) = self.durable_names(to.0)
                {
                    // Of two folders that come to one name, because the first one's leave was lost, expect neither.
                    if names.remove(&to.1).is_none() {
                        names.insert(to.1, node);
                    }
                }
            }
        }
    }

    fn lose(&mut self, loss: Loss) {
        let mut rng = match loss {
            Loss::Nothing => return,
            Loss::AllUnsynced => None,
            Loss::SomeUnsynced(seed) => Some(ChaCha8Rng::seed_from_u64(seed)),
        };
        for change in std::mem::take(&mut self.pending) {
            if rng.as_mut().is_some_and(rand::RngExt::random) {
                self.commit(change);
            }
        }
        for node in &mut self.nodes {
            match node {
                Node::Folder { live, durable } => live.clone_from(durable),
                Node::File { live, durable } if live != durable => {
                    let kind = rng.as_mut().map_or(0, |rng| rng.random_range(0..4));
                    let length = live.len();
                    match &mut rng {
                        // What was appended since the sync is cut at any byte, or is zeros from there on.
                        Some(rng) if kind >= 2 && live.starts_with(durable) => {
                            live.truncate(rng.random_range(durable.len()..=length));
                            if kind == 3 {
                                live.resize(length, 0);
                            }
                        }
                        Some(_) if kind >= 1 => {}
                        _ => live.clone_from(durable),
                    }
                    durable.clone_from(live);
                }
                Node::File { .. } => {}
            }
        }
    }
}

impl Fs for FaultFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk().effect(|disk| disk.add(path, folder()).map(drop))
    }

    fn write_durable(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut disk = self.disk();
        let empty = Node::File { live: Vec::new(), durable: Vec::new() };
        let node = disk.effect(|disk| disk.add(path, empty))?;
        for part in parts {
            disk.write(node, part)?;
        }
        disk.sync_content(node)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        let node = match disk.find(path)? {
            Some(node) => node,
            None => {
                let empty = Node::File { live: Vec::new(), durable: Vec::new() };
                disk.effect(|disk| disk.add(path, empty))?
            }
        };
        disk.write(node, bytes)
    }

    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut disk = self.disk();
        let node = disk.must(path)?;
        disk.effect(|disk| {
            disk.content(node)?.0.truncate(usize::try_from(bytes).unwrap());
            Ok(())
        })?;
        disk.sync_content(node)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let node = disk.must(path)?;
        disk.sync_content(node)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk().effect(|disk| {
            let synced = disk.must(path)?;
            disk.names(synced)?;
            let touches = |change: &Pending| match change {
                Pending::Add { folder, .. } | Pending::Drop { folder, .. } => *folder == synced,
                Pending::Move { from, to, .. } => from.0 == synced || to.0 == synced,
            };
            let (now, later) = std::mem::take(&mut disk.pending).into_iter().partition(touches);
            disk.pending = later;
            now.into_iter().for_each(|change| disk.commit(change));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk().effect(|disk| {
            let node = disk.must(from)?;
            let (from, to) = (disk.place(from)?, disk.place(to)?);
            if disk.names(to.0)?.contains_key(&to.1) {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            disk.names_mut(from.0)?.remove(&from.1);
            disk.names_mut(to.0)?.insert(to.1.clone(), node);
            disk.pending.push(Pending::Move { from, to, node });
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let Some(node) = self.disk().find(path)? else { return Ok(()) };
        let inside: Vec<String> =
            self.disk().names(node).map_or_else(|_| Vec::new(), |names| names.keys().cloned().collect());
        for name in inside {
            self.remove(&path.join(name))?;
        }
        self.disk().effect(|disk| {
            let (folder, name) = disk.place(path)?;
            disk.names_mut(folder)?.remove(&name);
            disk.pending.push(Pending::Drop { folder, name });
            Ok(())
        })
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.disk().effect(|disk| {
            let node = disk.must(path)?;
            let (live, _) = disk.content(node)?;
            if live.len() as u64 > limit { Err(ErrorKind::FileTooLarge.into()) } else { Ok(live.clone()) }
        })
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Entry>> {
        self.disk().effect(|disk| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(disk.find(path)?.map(|node| disk.entry(name, node)))
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.disk().effect(|disk| {
            let names = disk.names(disk.must(path)?)?;
            Ok(names.iter().map(|(name, node)| disk.entry(name.clone(), *node)).collect())
        })
    }
}
