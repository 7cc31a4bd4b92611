//! The promises of the run store, held against real processes: kills at random moments, torn lines, a full disk, two
//! writers.

use plumb_store::runs::{
    Durability, RECORDS_FILE, Run, RunError, RunLock, RunStore, canonical_line, read_manifest, read_records,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Record {
    id: u64,
    answer: String,
    probabilities: Vec<f32>,
    extra: HashMap<String, f64>,
}

/// A record that depends on its index alone, of very different lengths.
fn record(id: u64) -> Record {
    let tail = "réponse\n\"".repeat((id % 7) as usize * 9);
    Record {
        id,
        answer: format!("({}) {tail}", char::from(b'A' + (id % 6) as u8)),
        probabilities: (0..id % 5).map(|k| 1.0 / (k as f32 + 3.0 + id as f32)).collect(),
        // Halves: serde_json reads a float of 17 digits to the last bit only with a feature that is off here.
        extra: (0..6).map(|k| (format!("key{k}"), (id as f64 + 0.5) * f64::from(k))).collect(),
    }
}

fn manifest() -> Value {
    json!({"model": "m", "seed": 7, "lr": 0.1, "started": "one"})
}

fn uninterrupted(total: u64) -> Vec<u8> {
    bytes_of((0..total).map(record))
}

fn bytes_of(records: impl Iterator<Item = Record>) -> Vec<u8> {
    records.flat_map(|record| (canonical_line(&record).unwrap_or_default() + "\n").into_bytes()).collect()
}

#[test]
fn appends_reads_and_lists() {
    let root = tempfile::tempdir().unwrap();
    let store = RunStore::new(root.path());
    assert!(RunStore::new(root.path().join("absent")).list().unwrap().is_empty());
    for durability in [Durability::EveryRecord, Durability::Every(NonZeroU32::new(8).unwrap())] {
        let folder = store.folder(&format!("{durability:?}").replace(|c: char| !c.is_alphanumeric(), ""));
        let mut run = Run::create(&folder, &manifest()).unwrap().with_durability(durability);
        for id in 0..20 {
            assert_eq!(run.append(&record(id)).unwrap(), id);
        }
        run.finish().unwrap();
        assert!(fs::read(folder.join(RECORDS_FILE)).unwrap() == uninterrupted(20));
        assert_eq!(read_records::<Record>(&folder).unwrap(), (0..20).map(record).collect::<Vec<_>>());
    }
    fs::create_dir(root.path().join("not a run")).unwrap();
    fs::create_dir(root.path().join("zz damaged")).unwrap();
    fs::write(root.path().join("zz damaged/run.json"), "{").unwrap();
    let runs = store.list().unwrap();
    let names: Vec<_> =
        runs.iter().map(|run| (run.name.as_str(), run.records, run.manifest.is_ok())).collect();
    assert_eq!(names, [("Every8", 20, true), ("EveryRecord", 20, true), ("zz damaged", 0, false)]);
    assert_eq!(read_manifest::<Value>(&store.folder("Every8")).unwrap(), manifest());
}

#[test]
fn create_refuses_a_folder_in_use() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    drop(Run::create(&folder, &manifest()).unwrap());
    assert!(matches!(Run::create(&folder, &manifest()), Err(RunError::AlreadyExists(_))));
    let other = root.path().join("photos");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("cat.jpg"), "x").unwrap();
    assert!(matches!(Run::create(&other, &manifest()), Err(RunError::FolderNotEmpty(_))));
    assert!(matches!(Run::resume::<Record, _>(&other, &manifest(), &[]), Err(RunError::NotARun(_))));
    // A process killed before its manifest leaves only a lock: the folder can be used again.
    let half = root.path().join("half");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("run.lock"), "").unwrap();
    fs::write(half.join("run.json.77.0.tmp"), "{").unwrap();
    Run::create(&half, &manifest()).unwrap();
}

/// Records without the long answer, so that every byte of their file can be tried.
fn short(total: u64) -> impl Iterator<Item = Record> {
    (0..total).map(|id| record(id * 7))
}

#[test]
fn torn_at_every_byte_offset_resumes_to_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let whole = bytes_of(short(3));
    let folder = root.path().join("run");
    drop(Run::create(&folder, &manifest()).unwrap());
    let path = folder.join(RECORDS_FILE);
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let complete = whole[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
        let seen: Vec<Record> = read_records(&folder).unwrap();
        assert_eq!(seen.len() as u64, complete);
        let (run, records) = Run::resume::<Record, _>(&folder, &manifest(), &[]).unwrap();
        assert_eq!(records, short(complete).collect::<Vec<_>>());
        let mut run = run.with_durability(Durability::Every(NonZeroU32::MAX));
        for next in short(3).skip(complete as usize) {
            run.append(&next).unwrap();
        }
        drop(run);
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
    }
    // A power cut can leave a grown file whose last block was never written.
    fs::write(&path, [&whole[..], &[0; 700]].concat()).unwrap();
    drop(Run::resume::<Record, _>(&folder, &manifest(), &[]).unwrap());
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn damage_before_the_end_is_refused_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    drop(Run::create(&folder, &manifest()).unwrap());
    let path = folder.join(RECORDS_FILE);
    let whole = uninterrupted(5);
    let third = whole.split_inclusive(|byte| *byte == b'\n').take(2).map(<[u8]>::len).sum::<usize>();
    for damage in [&b"\xff"[..], b"\n", b"\0"] {
        let mut bytes = whole.clone();
        bytes.splice(third + 3..third + 3 + damage.len(), damage.iter().copied());
        fs::write(&path, &bytes).unwrap();
        let error = Run::resume::<Record, _>(&folder, &manifest(), &[]).unwrap_err();
        assert!(matches!(error, RunError::Corrupt { line: 3, .. }), "{error}");
        assert!(error.to_string().contains("line 3"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "a refused file is left as it was");
    }
    // A whole line that is another kind of record, last or not, is damage too.
    fs::write(&path, [&whole[..], b"{\"id\":5}\n"].concat()).unwrap();
    let error = read_records::<Record>(&folder).unwrap_err();
    assert!(matches!(error, RunError::Corrupt { line: 6, .. }), "{error}");
}

#[test]
fn another_fingerprint_is_named_field_by_field() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    drop(Run::create(&folder, &manifest()).unwrap());
    let mut other = manifest();
    other["seed"] = json!(8);
    other["started"] = json!("two");
    let error = Run::resume::<Record, _>(&folder, &other, &["started"]).unwrap_err().to_string();
    assert!(error.contains("seed should be 8 but the run has 7"), "{error}");
    assert!(!error.contains("started"), "{error}");
    other["seed"] = json!(7);
    let (_run, records) = Run::resume::<Record, _>(&folder, &other, &["started"]).unwrap();
    assert!(records.is_empty());
}

#[test]
fn a_second_writer_is_refused_and_told_the_process() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    let run = Run::create(&folder, &manifest()).unwrap();
    let error = Run::resume::<Record, _>(&folder, &manifest(), &[]).unwrap_err();
    assert!(matches!(error, RunError::Locked { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert!(RunLock::is_held(&folder));
    drop(run);
    assert!(!RunLock::is_held(&folder));
    // A process that was killed leaves its number and no lock.
    fs::write(folder.join("run.pid"), "1\n").unwrap();
    assert!(!RunLock::is_held(&folder));
    assert!(folder.join("run.pid").exists(), "who looks changes nothing");
    let (_run, _) = Run::resume::<Record, _>(&folder, &manifest(), &[]).unwrap();
    assert!(RunLock::is_held(&folder));
}

#[test]
fn a_record_that_would_not_read_back_is_refused_and_the_run_goes_on() {
    #[derive(Serialize, Deserialize)]
    struct Score {
        p: f64,
    }
    let root = tempfile::tempdir().unwrap();
    let mut run = Run::create(&root.path().join("run"), &manifest()).unwrap();
    assert!(matches!(run.append(&Score { p: f64::NAN }), Err(RunError::NotSerialisable { index: 0, .. })));
    assert_eq!(run.append(&Score { p: 0.5 }).unwrap(), 0);
    let text = fs::read_to_string(run.folder().join(RECORDS_FILE)).unwrap();
    assert_eq!(text, "{\"p\":0.5}\n");
}

#[cfg(unix)]
#[test]
fn an_endless_device_in_place_of_the_records_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    drop(Run::create(&folder, &manifest()).unwrap());
    fs::remove_file(folder.join(RECORDS_FILE)).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.join(RECORDS_FILE)).unwrap();
    assert!(matches!(read_records::<Record>(&folder), Err(RunError::NotAFile(_))));
    assert!(matches!(RunStore::new(root.path()).list(), Err(RunError::NotAFile(_))));
}

/// The environment variables through which a test runs this binary again as another process.
const FOLDER: &str = "PLUMB_STORE_TEST_RUN";
const TOTAL: &str = "PLUMB_STORE_TEST_TOTAL";
const PAUSE: &str = "PLUMB_STORE_TEST_PAUSE_MICROS";

#[test]
#[ignore = "the other process of the tests below, which start it"]
fn other_process() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let folder = Path::new(&folder);
    let (mut run, seen) = Run::open_or_create::<Record, _>(folder, &manifest(), &[]).unwrap();
    assert!(seen == (0..run.count()).map(record).collect::<Vec<_>>(), "the records read back");
    for id in run.count()..number(TOTAL) {
        run.append(&record(id)).unwrap();
        std::thread::sleep(std::time::Duration::from_micros(number(PAUSE)));
    }
    run.finish().unwrap();
}

#[cfg(unix)]
mod processes {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    fn other(program: &str, folder: &Path, total: u64, pause: u64) -> Command {
        let me = std::env::current_exe().unwrap_or_default();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{program} exec \"$0\" \"$@\"")])
            .arg(me)
            .args(["--ignored", "--exact", "other_process", "--nocapture"])
            .env(FOLDER, folder)
            .env(TOTAL, total.to_string())
            .env(PAUSE, pause.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    #[test]
    fn killed_at_random_moments_and_resumed_gives_the_same_bytes() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("run");
        let path = folder.join(RECORDS_FILE);
        let total = 400;
        let lines = || fs::read(&path).map_or(0, |bytes| bytes.iter().filter(|b| **b == b'\n').count());
        // A fixed sequence of pauses; where in a write they end is up to the scheduler.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut kills = 0;
        while kills < 25 {
            let before = lines();
            let mut child = other("", &folder, total, 300).spawn().unwrap();
            while lines() == before && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            std::thread::sleep(Duration::from_micros(state % 12_000));
            if child.try_wait().unwrap().is_some() {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        assert!(kills >= 3, "only {kills} kills fell into the run");
        let output = other("", &folder, total, 0).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read(&path).unwrap() == uninterrupted(total));
    }

    #[test]
    fn a_full_disk_is_an_error_and_the_file_stays_whole() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("run");
        // A file size limit of 8 blocks of 512 bytes cuts a write in the middle, as a full disk does.
        let output = other("trap '' XFSZ; ulimit -f 8;", &folder, 400, 0).output().unwrap();
        assert!(!output.status.success());
        let shown = [output.stdout, output.stderr].concat();
        assert!(
            String::from_utf8_lossy(&shown).contains("appending a record to"),
            "{}",
            String::from_utf8_lossy(&shown)
        );
        let bytes = fs::read(folder.join(RECORDS_FILE)).unwrap();
        assert_eq!(bytes.last(), Some(&b'\n'), "the unfinished line was removed");
        assert!(uninterrupted(400).starts_with(&bytes) && bytes.len() <= 8 * 1024);
        let output = other("", &folder, 100, 0).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read(folder.join(RECORDS_FILE)).unwrap() == uninterrupted(100));
    }
}
