//! Servers that send what was not asked for, and what must not reach anybody else.

use crate::server::{COMMIT, Files, Reply, Server, etag};
use crate::{SIZE, WEIGHTS, assert_whole, config, get, hub, repo_folder, unfinished};
use plumb_store::hub::{Hub, HubConfig, HubError, Token};
use std::fs;
use std::thread;
use std::time::Duration;

#[test]
fn wrong_bytes_are_an_error_and_are_discarded() {
    for name in [WEIGHTS, "config.json"] {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(Files::model(SIZE), move |request, files| {
            let mut reply = files.honest(request);
            if request.is_get_of(&format!("/{name}")) {
                reply.body[3] ^= 1;
            }
            Some(reply)
        });
        let error = get(&hub(&cache, &server)).unwrap_err();
        assert!(matches!(&error, HubError::WrongHash { file, .. } if file == name), "{error}");
        let tag = etag(name, server.files.get(name));
        assert!(error.to_string().contains(&tag), "{error}");
        for left in [tag.clone(), format!("{tag}.incomplete")] {
            assert!(!repo_folder(&cache).join("blobs").join(left).exists());
        }
        assert!(!repo_folder(&cache).join("snapshots").join(COMMIT).join(name).exists());
        assert!(!repo_folder(&cache).join("refs/main").exists());
    }
}

#[test]
fn wrong_lengths_are_errors() {
    for (length, body) in [(None, SIZE - 10), (None, SIZE + 10), (Some(None), SIZE + 10)] {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(Files::model(SIZE), move |request, files| {
            let mut reply = files.honest(request);
            if request.is_get_of(WEIGHTS) {
                reply.body.resize(body, 0);
                reply.length = length;
            }
            Some(reply)
        });
        let error = get(&hub(&cache, &server)).unwrap_err();
        assert!(
            matches!(error, HubError::WrongLength { expected, .. } if expected == SIZE as u64),
            "{error}"
        );
        assert!(!unfinished(&cache, &server.files).exists());
    }
}

#[test]
fn an_endless_body_is_stopped() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Files::model(SIZE), |request, files| {
        let mut reply = files.honest(request);
        if request.is_get_of(WEIGHTS) {
            (reply.length, reply.endless) = (Some(None), true);
        }
        Some(reply)
    });
    let error = get(&hub(&cache, &server)).unwrap_err();
    assert!(matches!(error, HubError::WrongLength { .. }), "{error}");
    thread::sleep(Duration::from_millis(100));
    assert!(server.gets(WEIGHTS)[0].sent < 40 * SIZE, "the connection was closed");
    assert!(!unfinished(&cache, &server.files).exists());
}

#[test]
fn refusals_are_named() {
    type Is = fn(&HubError) -> bool;
    let cases: [(u16, &str, Is, &str); 4] = [
        (404, "/api/", |e| matches!(e, HubError::NotFound { .. }), "check the name and the revision"),
        (401, "/api/", |e| matches!(e, HubError::Gated { status: 401, .. }), "accept its licence"),
        (403, "/resolve/", |e| matches!(e, HubError::Gated { status: 403, .. }), "HF_TOKEN"),
        (418, "/resolve/", |e| matches!(e, HubError::Status { status: 418, .. }), "418"),
    ];
    for (status, part, is, says) in cases {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(Files::model(10), move |request, _| {
            request.path.contains(part).then(|| Reply::status(status).with("X-Error-Message", "Ask for it"))
        });
        let error = get(&hub(&cache, &server)).unwrap_err();
        let text = error.to_string();
        assert!(is(&error) && text.contains(says) && text.contains("Ask for it"), "{text}");
        assert_eq!(server.seen().iter().filter(|seen| seen.path.contains(part)).count(), 1, "no second try");
    }
    // A file that is listed and not there: an optional one is passed over, the weights are not.
    for (name, fatal) in [("tokenizer.json", false), (WEIGHTS, true)] {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(Files::model(10), move |request, _| {
            request.path.ends_with(&format!("/{name}")).then(|| Reply::status(404))
        });
        assert_eq!(get(&hub(&cache, &server)).is_err(), fatal, "{name}");
    }
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    for relative in [false, true] {
        let cache = tempfile::tempdir().unwrap();
        let storage = Server::start(Files::model(SIZE), |request, files| {
            Some(Files::serve(request, WEIGHTS, files.get(WEIGHTS)).with("ETag", "\"storage-7\""))
        });
        let target = storage.address.clone();
        let hub_server = Server::start(Files::model(SIZE), move |request, files| {
            if !request.path.ends_with(&format!("/{WEIGHTS}")) {
                return None;
            }
            if relative && !request.path.starts_with("/moved") {
                let to = format!("/moved{}", request.path);
                return Some(Reply::status(307).with("Location", to));
            }
            let mut reply = Files::serve(request, WEIGHTS, files.get(WEIGHTS));
            (reply.status, reply.body) = (302, Vec::new());
            Some(reply.with("Location", format!("{target}/blob?signature=1")))
        });
        let mut config = config(&cache, &hub_server);
        config.token = Token::new("hf_secret");
        let hub = Hub::new(config).unwrap();
        get(&hub).unwrap();
        assert_whole(&cache, &hub_server.files);
        for request in hub_server.seen() {
            assert_eq!(request.header("authorization"), Some("Bearer hf_secret"), "{request:?}");
        }
        let stored = storage.seen();
        assert_eq!(
            stored.iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>(),
            ["GET"],
            "no HEAD leaves the hub"
        );
        assert!(stored.iter().all(|seen| seen.header("authorization").is_none()), "{stored:?}");
    }
}

#[test]
fn redirects_to_nowhere_are_refused() {
    for to in ["ftp://x/y", "", "/acme/tiny-vlm/resolve/loop"] {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(Files::model(10), move |request, _| {
            request.path.contains("/resolve/").then(|| Reply::status(302).with("Location", to))
        });
        let error = get(&hub(&cache, &server)).unwrap_err();
        assert!(matches!(error, HubError::BadRedirect { .. }), "{error}");
    }
}

#[test]
fn hostile_file_names_are_refused_before_anything_is_written() {
    for name in [
        "../../evil.safetensors",
        "/etc/evil.safetensors",
        "a\\..\\evil.json",
        "evil\0.safetensors",
        "c:evil",
    ] {
        let cache = tempfile::tempdir().unwrap();
        let mut files = Files::model(10);
        files.0.insert(name.to_owned(), b"x".to_vec());
        let server = Server::honest(files);
        let error = get(&hub(&cache, &server)).unwrap_err();
        assert!(matches!(&error, HubError::UnsafeFileName { name: found, .. } if found == name), "{error}");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    }
    // An etag becomes a file name too.
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Files::model(10), |request, _| {
        let evil = Reply::status(200).with("X-Repo-Commit", COMMIT).with("ETag", "\"../../evil\"");
        (request.method == "HEAD").then_some(evil)
    });
    let error = get(&hub(&cache, &server)).unwrap_err();
    assert!(matches!(error, HubError::BadAnswer { .. }), "{error}");
}

#[test]
fn answers_that_are_no_hubs_are_named() {
    for body in ["<html>", "{}", "{\"sha\":\"main\",\"siblings\":[]}", "[1]"] {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(Files::model(10), move |_, _| {
            Some(Reply { status: 200, body: body.into(), ..Reply::default() })
        });
        let error = get(&hub(&cache, &server)).unwrap_err();
        assert!(matches!(error, HubError::BadAnswer { .. }), "{error}");
    }
    let cache = tempfile::tempdir().unwrap();
    let mut files = Files::model(10);
    files.0.remove(WEIGHTS);
    let error = get(&hub(&cache, &Server::honest(files))).unwrap_err();
    assert!(matches!(error, HubError::NoModelFiles { .. }), "{error}");
    let mut config = HubConfig::new(cache.path());
    config.endpoint = "huggingface".to_owned();
    assert!(matches!(Hub::new(config), Err(HubError::BadEndpoint { .. })));
}
