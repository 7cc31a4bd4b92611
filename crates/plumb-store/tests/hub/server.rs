//! A small model hub on the loopback interface, honest by default; a test replaces answers to make it misbehave.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const REPO: &str = "acme/tiny-vlm";

/// One request as it came, and how many body bytes were sent for it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) sent: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
    pub(crate) fn is_get_of(&self, file: &str) -> bool {
        self.method == "GET" && self.path.ends_with(file) && !self.path.starts_with("/api/")
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Announced instead of the true length; `Some(None)` announces nothing and ends by closing.
    pub(crate) length: Option<Option<usize>>,
    /// Closes the connection after this many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// Pause after each kilobyte.
    pub(crate) pause: Option<Duration>,
    /// Repeats the body until the client goes away.
    pub(crate) endless: bool,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Answer = dyn Fn(&Seen, &Files) -> Option<Reply> + Send + Sync;

/// What the repository holds.
pub(crate) struct Files(pub(crate) BTreeMap<String, Vec<u8>>);

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hub's rule: large files (here the weights) are named by SHA-256, others by git's SHA-1.
pub(crate) fn etag(name: &str, content: &[u8]) -> String {
    if name.ends_with(".safetensors") {
        hex(&Sha256::digest(content))
    } else {
        hex(&Sha1::digest([format!("blob {}\0", content.len()).as_bytes(), content].concat()))
    }
}

impl Files {
    pub(crate) fn model(weight_bytes: usize) -> Self {
        let weights = (0..weight_bytes).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let readme = "---\nlicense: apache-2.0\n---\n# Tiny\n";
        Self(BTreeMap::from([
            ("config.json".to_owned(), b"{\"model_type\":\"smolvlm\"}".to_vec()),
            ("tokenizer.json".to_owned(), b"{}".to_vec()),
            ("README.md".to_owned(), readme.into()),
            (".gitattributes".to_owned(), b"*".to_vec()),
            ("onnx/model.safetensors".to_owned(), b"not wanted".to_vec()),
            ("model.safetensors".to_owned(), weights),
        ]))
    }

    pub(crate) fn get(&self, name: &str) -> &[u8] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn honest(&self, request: &Seen) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        if let Some(revision) = path.strip_prefix(&format!("/api/models/{REPO}/revision/")) {
            if !["main", "v1", COMMIT].contains(&revision) {
                return Reply::status(404).with("X-Error-Message", "Invalid rev id");
            }
            let siblings: Vec<_> = self
                .0
                .iter()
                .map(|(name, content)| serde_json::json!({"rfilename": name, "size": content.len()}))
                .collect();
            let info = serde_json::json!({"sha": COMMIT, "siblings": siblings, "cardData": {"license": "apache-2.0"}});
            return Reply { status: 200, body: info.to_string().into_bytes(), ..Reply::default() };
        }
        let file = path
            .strip_prefix(&format!("/{REPO}/resolve/"))
            .and_then(|rest| rest.split_once('/'))
            .and_then(|(_, file)| Some((file, self.0.get(file)?)));
        let Some((name, content)) = file else {
            return Reply::status(404);
        };
        Self::serve(request, name, content)
    }

    pub(crate) fn serve(request: &Seen, name: &str, content: &[u8]) -> Reply {
        let tag = etag(name, content);
        let quoted = format!("\"{tag}\"");
        let mut reply = Reply { status: 200, body: content.to_vec(), ..Reply::default() }
            .with("X-Repo-Commit", COMMIT)
            .with("ETag", quoted.clone())
            .with("X-Linked-Etag", quoted.clone())
            .with("X-Linked-Size", content.len().to_string());
        let start =
            request.header("range").and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let same = request.header("if-range").is_none_or(|tag| tag == quoted);
        if let Some(start) = start.filter(|_| same) {
            if start >= content.len() {
                return Reply::status(416);
            }
            reply.status = 206;
            reply.body = content[start..].to_vec();
            let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
            reply = reply.with("Content-Range", range);
        }
        reply
    }
}

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) files: Arc<Files>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// `answer` may replace the honest reply to a request.
    pub(crate) fn start(
        files: Files,
        answer: impl Fn(&Seen, &Files) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let files = Arc::new(files);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(answer);
        let (shared_files, shared_seen) = (files.clone(), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, seen, answer) = (shared_files.clone(), shared_seen.clone(), answer.clone());
                thread::spawn(move || {
                    let _ = handle(stream, &files, &seen, &*answer);
                });
            }
        });
        Self { address, files, seen }
    }

    pub(crate) fn honest(files: Files) -> Self {
        Self::start(files, |_, _| None)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn gets(&self, file: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.is_get_of(file)).collect()
    }
}

fn handle(stream: TcpStream, files: &Files, seen: &Mutex<Vec<Seen>>, answer: &Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut request = Seen { method, path, headers, sent: 0 };
    let reply = answer(&request, files).unwrap_or_else(|| files.honest(&request));
    let index = {
        let mut all = seen.lock().unwrap();
        all.push(request.clone());
        all.len() - 1
    };
    let mut out = stream;
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    match reply.length {
        None => head.push_str(&format!("Content-Length: {}\r\n", reply.body.len())),
        Some(Some(length)) => head.push_str(&format!("Content-Length: {length}\r\n")),
        Some(None) => {}
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    out.write_all((head + "\r\n").as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    loop {
        for part in reply.body[..reply.cut.unwrap_or(reply.body.len()).min(reply.body.len())].chunks(1024) {
            out.write_all(part)?;
            request.sent += part.len();
            seen.lock().unwrap()[index].sent = request.sent;
            if let Some(pause) = reply.pause {
                out.flush()?;
                thread::sleep(pause);
            }
        }
        if !reply.endless {
            return Ok(());
        }
    }
}
