//! Connections that break, stall or are busy.

use crate::server::{Files, Reply, Server, etag};
use crate::{SIZE, WEIGHTS, assert_whole, config, get, hub, id, repo_folder, unfinished};
use plumb_store::hub::{Cancel, Hub, HubError, Progress};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn cut_connections_are_resumed_and_only_the_rest_is_sent() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Files::model(SIZE), |request, files| {
        let mut reply = files.honest(request);
        // Six times in a row: more often than the tries without progress that are allowed.
        if request.is_get_of(WEIGHTS) && reply.body.len() > SIZE / 8 {
            reply.cut = Some(SIZE / 8);
        }
        Some(reply)
    });
    let mut last = None;
    let hub = hub(&cache, &server);
    let plan = hub.plan(&id()).unwrap();
    let mut report = |progress: &Progress| last = Some(progress.clone());
    hub.download(&plan, &mut report, &Cancel::default()).unwrap();
    assert_whole(&cache, &server.files);
    let gets = server.gets(WEIGHTS);
    assert!(gets.len() >= 8, "{}", gets.len());
    for (before, request) in gets.iter().zip(gets.iter().skip(1)) {
        assert!(
            request.header("range").is_some() && request.header("if-range").is_some(),
            "{before:?} {request:?}"
        );
    }
    let last = last.unwrap();
    assert_eq!((last.done, last.total), (plan.total_bytes(), plan.total_bytes()));
}

#[test]
fn a_connection_that_never_brings_anything_is_given_up() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Files::model(SIZE), |request, files| {
        let mut reply = files.honest(request);
        if request.is_get_of(WEIGHTS) {
            reply.cut = Some(0);
        }
        Some(reply)
    });
    let error = get(&hub(&cache, &server)).unwrap_err();
    assert!(matches!(error, HubError::Network { attempts: 4, .. }), "{error}");
    assert_eq!(server.gets(WEIGHTS).len(), 4);
    let mut closed = server;
    closed.address = "http://127.0.0.1:1".to_owned();
    let error = get(&hub(&cache, &closed)).unwrap_err();
    assert!(matches!(error, HubError::Network { attempts: 4, .. }), "{error}");
}

#[test]
fn a_server_that_ignores_ranges_restarts_cleanly() {
    let cache = tempfile::tempdir().unwrap();
    let tries = AtomicUsize::new(0);
    let server = Server::start(Files::model(SIZE), move |request, files| {
        let mut plain = request.clone();
        plain.headers.remove("range");
        let mut reply = files.honest(&plain);
        if request.is_get_of(WEIGHTS) && tries.fetch_add(1, Ordering::Relaxed) < 2 {
            reply.cut = Some(100_000);
        }
        Some(reply)
    });
    get(&hub(&cache, &server)).unwrap();
    assert_whole(&cache, &server.files);
    assert_eq!(server.gets(WEIGHTS).len(), 3);
}

#[test]
fn a_damaged_unfinished_file_costs_one_clean_try() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::honest(Files::model(SIZE));
    fs::create_dir_all(repo_folder(&cache).join("blobs")).unwrap();
    for (left, gets) in [(vec![7; 1000], 2), (vec![7; SIZE], 1), (vec![7; SIZE + 5], 1)] {
        let before = server.gets(WEIGHTS).len();
        fs::write(unfinished(&cache, &server.files), left).unwrap();
        get(&hub(&cache, &server)).unwrap();
        assert_whole(&cache, &server.files);
        assert_eq!(server.gets(WEIGHTS).len() - before, gets);
        fs::remove_file(repo_folder(&cache).join("blobs").join(etag(WEIGHTS, server.files.get(WEIGHTS))))
            .unwrap();
    }
}

#[test]
fn a_busy_server_is_given_the_time_it_asks_for() {
    let cache = tempfile::tempdir().unwrap();
    let tries = AtomicUsize::new(0);
    let server = Server::start(Files::model(SIZE), move |request, _| {
        match request.is_get_of(WEIGHTS) {
            true => match tries.fetch_add(1, Ordering::Relaxed) {
                // Bounded by the longest wait of 400 ms.
                0 => Some(Reply::status(429).with("Retry-After", "3600")),
                1 => Some(Reply::status(503)),
                _ => None,
            },
            false => None,
        }
    });
    let start = Instant::now();
    get(&hub(&cache, &server)).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(400));
    assert_whole(&cache, &server.files);
    let server = Server::start(Files::model(SIZE), |_, _| Some(Reply::status(429).with("Retry-After", "0")));
    let error = get(&hub(&cache, &server)).unwrap_err();
    assert!(matches!(error, HubError::TooManyRequests { attempts: 4, .. }), "{error}");
}

#[test]
fn cancelling_keeps_what_is_here_and_the_next_try_fetches_the_rest() {
    let cache = tempfile::tempdir().unwrap();
    let slow = Server::start(Files::model(SIZE), |request, files| {
        let mut reply = files.honest(request);
        if request.is_get_of(WEIGHTS) {
            reply.pause = Some(Duration::from_millis(4));
        }
        Some(reply)
    });
    let hub_slow = hub(&cache, &slow);
    let plan = hub_slow.plan(&id()).unwrap();
    let cancel = Cancel::default();
    let flag = cancel.clone();
    let mut asked = None;
    let mut report = |progress: &Progress| {
        if progress.file == WEIGHTS && progress.file_done > 40_000 && asked.is_none() {
            asked = Some(Instant::now());
            flag.cancel();
        }
    };
    let error = hub_slow.download(&plan, &mut report, &cancel).unwrap_err();
    assert!(matches!(error, HubError::Cancelled), "{error}");
    assert!(asked.unwrap().elapsed() < Duration::from_secs(1));
    let have = fs::metadata(unfinished(&cache, &slow.files)).unwrap().len();
    assert!(have > 40_000 && have < SIZE as u64, "{have}");
    assert!(!repo_folder(&cache).join("refs/main").exists());
    let listed = hub_slow.list().unwrap();
    assert!(!listed[0].is_complete() && listed[0].unfinished_bytes == have);

    let server = Server::honest(Files::model(SIZE));
    let hub_fast = hub(&cache, &server);
    let plan = hub_fast.plan(&id()).unwrap();
    assert_eq!(plan.remaining_bytes(), SIZE as u64 - have);
    hub_fast.download(&plan, &mut |_| {}, &Cancel::default()).unwrap();
    assert_whole(&cache, &server.files);
    let gets = server.gets(WEIGHTS);
    assert_eq!(gets.len(), 1);
    assert_eq!(gets[0].header("range"), Some(format!("bytes={have}-").as_str()));
    assert_eq!(gets[0].sent as u64, SIZE as u64 - have);
    assert!(server.gets("config.json").is_empty());
}

#[test]
fn a_silent_server_stalls_nobody_for_long() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Files::model(SIZE), |request, files| {
        let mut reply = files.honest(request);
        if request.is_get_of(WEIGHTS) && request.header("range").is_none() {
            reply.pause = Some(Duration::from_secs(60));
        }
        Some(reply)
    });
    let mut config = config(&cache, &server);
    config.stall = Duration::from_millis(300);
    let start = Instant::now();
    get(&Hub::new(config).unwrap()).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_whole(&cache, &server.files);
    assert_eq!(server.gets(WEIGHTS)[1].header("range"), Some("bytes=1024-"));
}
