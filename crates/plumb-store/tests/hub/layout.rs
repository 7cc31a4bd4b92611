//! Finding, listing, sharing and verifying what is in the cache.

use crate::server::{COMMIT, Files, REPO, Reply, Server, etag};
use crate::{SIZE, WEIGHTS, assert_whole, get, hub, id, repo_folder};
use plumb_store::hub::{Cancel, DownloadPlan, Hub, HubConfig, HubError, ModelRef};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn the_layout_is_that_of_the_python_client() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::honest(Files::model(SIZE));
    let folder = get(&hub(&cache, &server)).unwrap();
    let repo = repo_folder(&cache);
    assert_eq!(folder, repo.join("snapshots").join(COMMIT));
    assert_eq!(fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["README.md", "config.json", WEIGHTS, "tokenizer.json"]);
    for name in names {
        let tag = etag(&name, server.files.get(&name));
        #[cfg(unix)]
        assert_eq!(fs::read_link(folder.join(&name)).unwrap(), Path::new("../../blobs").join(&tag));
        assert!(repo.join("blobs").join(&tag).is_file());
        assert!(cache.path().join(".locks/models--acme--tiny-vlm").join(format!("{tag}.lock")).exists());
    }
    assert_whole(&cache, &server.files);
}

/// A cache as huggingface_hub 2.4 leaves it after `hf_hub_download` of two files and a look for a third.
fn python_cache(cache: &TempDir, with_weights: bool) -> PathBuf {
    let repo = repo_folder(cache);
    let snapshot = repo.join("snapshots").join(COMMIT);
    for folder in ["blobs", "refs", "trees"] {
        fs::create_dir_all(repo.join(folder)).unwrap();
    }
    fs::create_dir_all(repo.join(".no_exist").join(COMMIT)).unwrap();
    fs::write(repo.join(".no_exist").join(COMMIT).join("chat_template.jinja"), "").unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(repo.join("refs/main"), COMMIT).unwrap();
    let files = Files::model(1000);
    for name in ["config.json", WEIGHTS].iter().take(if with_weights { 2 } else { 1 }) {
        let tag = etag(name, files.get(name));
        fs::write(repo.join("blobs").join(&tag), files.get(name)).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(format!("../../blobs/{tag}"), snapshot.join(name)).unwrap();
        #[cfg(not(unix))]
        fs::write(snapshot.join(name), files.get(name)).unwrap();
    }
    snapshot
}

#[test]
fn what_python_downloaded_is_found_offline() {
    let cache = tempfile::tempdir().unwrap();
    let snapshot = python_cache(&cache, true);
    let mut config = HubConfig::new(cache.path());
    config.offline = true;
    let hub = Hub::new(config).unwrap();
    for text in [REPO.to_owned(), format!("{REPO}@{COMMIT}")] {
        assert_eq!(hub.locate(&ModelRef::parse(&text).unwrap()).unwrap(), snapshot);
    }
    let error = hub.locate(&ModelRef::parse(&format!("{REPO}@v9")).unwrap()).unwrap_err();
    assert!(matches!(&error, HubError::Offline { .. }), "{error}");
    assert!(matches!(hub.plan(&id()), Err(HubError::Offline { .. })));
    let report = hub.verify(&ModelRef::Hub(id()), &mut |_| {}, &Cancel::default()).unwrap();
    assert!(
        report.is_sound() && report.files.len() == 2 && report.files.iter().all(|f| f.expected.is_some())
    );
    // A listing that the Python client keeps names a tokenizer that is not here.
    let tree = r#"{"format_version":1,"files":{"tokenizer.json":{"size":2,"blob_id":"x"},"a.bin":{"size":1,"blob_id":"y"}}}"#;
    fs::write(repo_folder(&cache).join("trees").join(format!("{COMMIT}.json")), tree).unwrap();
    let error = hub.locate(&ModelRef::Hub(id())).unwrap_err();
    assert!(
        matches!(&error, HubError::Incomplete { missing, .. } if missing == &["tokenizer.json"]),
        "{error}"
    );
}

#[test]
fn a_partial_model_is_listed_as_such_and_completed() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(&cache, false);
    let server = Server::honest(Files::model(1000));
    let hub = hub(&cache, &server);
    let listed = hub.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].is_complete(), listed[0].missing.clone()), (false, vec![WEIGHTS.to_owned()]));
    assert!(matches!(hub.locate(&ModelRef::Hub(id())), Err(HubError::Incomplete { .. })));
    get(&hub).unwrap();
    assert!(server.gets("config.json").is_empty(), "what Python fetched is not fetched again");
    let listed = hub.list().unwrap();
    assert!(listed[0].is_complete() && listed[0].revisions == ["main"] && listed[0].repo == REPO);
    assert_eq!(listed[0].licence.id.as_deref(), Some("apache-2.0"));
    assert_eq!(listed[0].commit.as_deref(), Some(COMMIT));
    assert!(listed[0].bytes > 1000);
}

#[test]
fn the_licence_and_sizes_are_known_before_anything_is_fetched() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::honest(Files::model(SIZE));
    let hub = hub(&cache, &server);
    let mut told = String::new();
    let decline = |plan: &DownloadPlan| {
        told = plan.licence.to_string();
        assert!(plan.remaining_bytes() == plan.total_bytes() && plan.total_bytes() > SIZE as u64);
        false
    };
    let error = hub.obtain(&ModelRef::Hub(id()), decline, &mut |_| {}, &Cancel::default()).unwrap_err();
    assert!(matches!(error, HubError::Declined { .. }));
    assert_eq!(told, "apache-2.0");
    assert!(server.gets("").is_empty() && !repo_folder(&cache).exists());
    hub.obtain(&ModelRef::Hub(id()), |_| true, &mut |_| {}, &Cancel::default()).unwrap();
    let before = server.seen().len();
    hub.obtain(
        &ModelRef::Hub(id()),
        |_| panic!("no question for a model that is here"),
        &mut |_| {},
        &Cancel::default(),
    )
    .unwrap();
    assert_eq!(server.seen().len(), before, "a cached model needs no network");
}

#[test]
fn two_at_once_fetch_each_file_once() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Files::model(SIZE), |request, files| {
        let mut reply = files.honest(request);
        reply.pause = request.is_get_of(WEIGHTS).then_some(Duration::from_micros(300));
        Some(reply)
    });
    thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| get(&hub(&cache, &server))));
        for one in both {
            one.join().unwrap().unwrap();
        }
    });
    assert_whole(&cache, &server.files);
    assert_eq!(server.gets(WEIGHTS).len(), 1);
}

#[test]
fn verify_finds_damage_and_hashes_local_folders() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::honest(Files::model(SIZE));
    let hub = hub(&cache, &server);
    let folder = get(&hub).unwrap();
    let check = |model: &ModelRef| hub.verify(model, &mut |_| {}, &Cancel::default()).unwrap();
    let report = check(&ModelRef::Hub(id()));
    assert!(
        report.is_sound()
            && report.files.len() == 4
            && report.files.iter().all(|file| file.expected.is_some())
    );
    let local = check(&ModelRef::Local(folder.clone()));
    let weights = local.files.iter().find(|file| file.name == WEIGHTS).unwrap();
    assert_eq!(
        (weights.expected.as_ref(), weights.found.as_str()),
        (None, &*etag(WEIGHTS, server.files.get(WEIGHTS)))
    );
    let mut bytes = fs::read(folder.join(WEIGHTS)).unwrap();
    bytes[9] ^= 4;
    fs::write(folder.join(WEIGHTS), bytes).unwrap();
    let report = check(&ModelRef::Hub(id()));
    let damaged: Vec<_> =
        report.files.iter().filter(|file| file.is_damaged()).map(|file| &*file.name).collect();
    assert_eq!(damaged, [WEIGHTS]);
    assert!(matches!(hub.locate(&ModelRef::Local("/no/where".into())), Err(HubError::NotAModelFolder(_))));
}

#[test]
fn a_disk_without_room_is_named_before_the_start() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Files::model(10), |request, _| {
        let huge = Reply { length: Some(Some(usize::MAX / 4)), ..Reply::status(200) };
        let huge = huge.with("X-Repo-Commit", COMMIT).with("ETag", format!("\"{}\"", "a".repeat(64)));
        (request.method == "HEAD" && request.path.ends_with(WEIGHTS)).then_some(huge)
    });
    // The list says 10 bytes and the file another size: the contradiction is named first.
    assert!(matches!(get(&hub(&cache, &server)), Err(HubError::BadAnswer { .. })));
    let server = Server::start(Files::model(10), |request, files| {
        let mut reply = files.honest(request);
        if request.path.starts_with("/api/") {
            let text = String::from_utf8(reply.body).unwrap();
            reply.body = text.replace("\"size\":10,", "").replace(",\"size\":10}", "}").into_bytes();
        }
        if request.method == "HEAD" && request.path.ends_with(WEIGHTS) {
            reply.headers.retain(|(name, _)| *name != "X-Linked-Size");
            reply = reply.with("X-Linked-Size", (u64::MAX / 4).to_string());
        }
        Some(reply)
    });
    let error = get(&hub(&cache, &server)).unwrap_err();
    assert!(matches!(error, HubError::DiskFull { .. }), "{error}");
    assert!(server.gets("").is_empty());
}
