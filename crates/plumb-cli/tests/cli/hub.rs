//! A hub id from download to answer, against a hub on the loopback interface.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::setup::{model, plumbline, stderr, stdout};

#[path = "../../../plumb-store/tests/hub/server.rs"]
#[expect(dead_code, reason = "the store's own tests use all of it")]
mod server;

use server::{Files, REPO, Server};

fn files() -> Files {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(model()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        files.insert(name, std::fs::read(path).unwrap());
    }
    files.insert("README.md".into(), b"---\nlicense: apache-2.0\n---\n".to_vec());
    Files(files)
}

#[test]
fn a_hub_id_is_fetched_once_with_its_licence_and_then_used_offline() {
    let hub = Server::honest(files());
    let home = tempfile::tempdir().unwrap();
    let command = |args: &[&str], offline: bool| {
        let mut command = plumbline(args);
        command.env("HF_ENDPOINT", &hub.address).env("HF_HOME", home.path()).env_remove("HF_HUB_CACHE");
        command.env("HF_HUB_OFFLINE", if offline { "1" } else { "0" });
        command.output().unwrap()
    };
    let got = command(&["models", "get", REPO], false);
    assert!(got.status.success(), "{}", stderr(&got));
    assert!(stderr(&got).contains("licence apache-2.0"), "{}", stderr(&got));
    let requests = hub.seen().len();
    let ask =
        ["ask", "--model", REPO, "--device", "cpu", "--question", "Where?", "--max-tokens", "3", "--json"];
    let answer = command(&ask, true);
    assert!(answer.status.success(), "{}", stderr(&answer));
    let answer: Value = serde_json::from_str(&stdout(&answer)).unwrap();
    assert_eq!(answer["fingerprint"]["model"], REPO);
    assert_eq!(hub.seen().len(), requests, "offline asked the network");
    let list = command(&["models", "list", "--json"], true);
    assert!(stdout(&list).contains(REPO), "{}", stdout(&list));
    let sound = command(&["models", "verify", REPO], true);
    assert!(sound.status.success(), "{}", stderr(&sound));

    let unknown = command(&["ask", "--model", "acme/unknown", "--question", "?"], true);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("acme/unknown"), "{}", stderr(&unknown));
}
