//! The model store against a hub on the loopback interface that serves well, badly and with intent to harm.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod hostile;
mod layout;
mod network;
mod server;

use plumb_store::hub::{Cancel, Hub, HubConfig, HubError, HubId, Retry};
use server::{COMMIT, Files, REPO, Server, etag};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

const WEIGHTS: &str = "model.safetensors";
const SIZE: usize = 300_000;

fn config(cache: &TempDir, server: &Server) -> HubConfig {
    let mut config = HubConfig::new(cache.path());
    config.endpoint.clone_from(&server.address);
    config.retry =
        Retry { attempts: 4, first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(400) };
    config.stall = Duration::from_secs(5);
    config
}

fn hub(cache: &TempDir, server: &Server) -> Hub {
    Hub::new(config(cache, server)).unwrap()
}

fn id() -> HubId {
    REPO.parse().unwrap()
}

fn get(hub: &Hub) -> Result<PathBuf, HubError> {
    let plan = hub.plan(&id())?;
    Ok(hub.download(&plan, &mut |_| {}, &Cancel::default())?.folder)
}

fn repo_folder(cache: &TempDir) -> PathBuf {
    cache.path().join("models--acme--tiny-vlm")
}

fn unfinished(cache: &TempDir, files: &Files) -> PathBuf {
    repo_folder(cache).join("blobs").join(format!("{}.incomplete", etag(WEIGHTS, files.get(WEIGHTS))))
}

fn assert_whole(cache: &TempDir, files: &Files) {
    let snapshot = repo_folder(cache).join("snapshots").join(COMMIT);
    for name in ["config.json", "tokenizer.json", "README.md", WEIGHTS] {
        assert!(fs::read(snapshot.join(name)).unwrap() == files.get(name), "{name}");
    }
    assert!(!unfinished(cache, files).exists());
}
