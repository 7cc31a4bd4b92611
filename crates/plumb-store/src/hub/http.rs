//! Requests to the hub: who gets the token, which redirects are followed, what is worth another try.

use super::download::Cancel;
use super::{HubConfig, HubError, Retry, Token};
use serde_json::Value;
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use ureq::http::{HeaderMap, Method, Request, Response, Uri};
use ureq::{Agent, Body};

/// Bytes handed over at a time; four of these wait at most.
const CHUNK: usize = 256 << 10;
/// The list of a repository's files is far smaller.
const MAX_JSON: u64 = 32 << 20;
const MAX_REDIRECTS: usize = 6;

/// Scheme, host and port: what a token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = authority.port_u16().unwrap_or(default);
        Some(Self { scheme, host: authority.host().to_ascii_lowercase(), port })
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host == "[::1]" || self.host.starts_with("127.")
    }
}

/// A request that brought no usable answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The network's fault: worth another try.
    Transport(String),
    /// Another try would end the same way.
    Fatal(HubError),
}

/// What a download's thread reports.
#[derive(Debug)]
pub(super) enum Message {
    Head { status: u16, headers: HeaderMap },
    Chunk(Vec<u8>),
    End,
    Failed(Failure),
}

/// What a `HEAD` of a file says.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) commit: String,
    pub(super) etag: String,
    pub(super) size: Option<u64>,
    /// Whether the hub serves the bytes itself, so that its etag is the one `If-Range` compares with.
    pub(super) direct: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    origin: Origin,
    token: Option<Token>,
    retry: Retry,
    stall: Duration,
}

impl Client {
    pub(super) fn new(config: &HubConfig) -> Result<Self, HubError> {
        let origin = Origin::of(&config.endpoint)
            .ok_or_else(|| HubError::BadEndpoint { found: config.endpoint.clone() })?;
        let mut builder = Agent::config_builder()
            // Redirects are followed here and not by ureq: the hub's own answer carries the file's hash, and each hop
            // decides anew whether the token goes along.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("plumbline/", env!("CARGO_PKG_VERSION")))
            // The length and hash are those of the bytes as stored, so nobody may compress on the way.
            .accept_encoding("identity")
            .timeout_resolve(Some(config.stall))
            .timeout_connect(Some(config.stall))
            .timeout_recv_response(Some(config.stall))
            .timeout_per_read(Some(config.stall))
            .timeout_per_write(Some(config.stall));
        if origin.is_loopback() {
            builder = builder.proxy(None);
        }
        Ok(Self {
            agent: Agent::new_with_config(builder.build()),
            endpoint: config.endpoint.clone(),
            origin,
            token: config.token.clone(),
            retry: config.retry,
            stall: config.stall,
        })
    }

    pub(super) fn retry(&self) -> Retry {
        self.retry
    }

    pub(super) fn stall(&self) -> Duration {
        self.stall
    }

    /// Address of the description of a repository at a revision.
    pub(super) fn info_url(&self, repo: &str, revision: &str) -> String {
        format!("{}/api/models/{repo}/revision/{}?blobs=true", self.endpoint, percent(revision, false))
    }

    /// Address of a file at a revision.
    pub(super) fn file_url(&self, repo: &str, revision: &str, file: &str) -> String {
        format!("{}/{repo}/resolve/{}/{}", self.endpoint, percent(revision, false), percent(file, true))
    }

    fn once(&self, method: &Method, url: &str, extra: &[(&str, String)]) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder().method(method.clone()).uri(url);
        for (name, value) in extra {
            request = request.header(*name, value);
        }
        if let Some(token) = self.token.as_ref().filter(|_| Origin::of(url).as_ref() == Some(&self.origin)) {
            request = request.header("authorization", format!("Bearer {}", token.secret()));
        }
        let request = request.body(()).map_err(|error| {
            Failure::Fatal(HubError::BadAnswer { url: url.to_owned(), reason: error.to_string() })
        })?;
        self.agent.run(request).map_err(|error| Failure::Transport(error.to_string()))
    }

    /// Sends a request, following redirects until `stop` says that an answer is the one wanted. Returns it and its
    /// address.
    fn follow(
        &self,
        method: &Method,
        url: &str,
        extra: &[(&str, String)],
        stop: impl Fn(&str, &Response<Body>) -> bool,
    ) -> Result<(String, Response<Body>), Failure> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.once(method, &url, extra)?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((url, answer));
            }
            let to = header(answer.headers(), "location").unwrap_or_default();
            let refuse =
                |reason| Failure::Fatal(HubError::BadRedirect { url: url.clone(), to: to.clone(), reason });
            let next = join(&url, &to).ok_or_else(|| refuse("it is no http or https address"))?;
            if url.starts_with("https:") && !next.starts_with("https:") {
                return Err(refuse("it leaves the encrypted connection"));
            }
            if stop(&next, &answer) {
                return Ok((url, answer));
            }
            url = next;
        }
        Err(Failure::Fatal(HubError::BadRedirect {
            url: url.clone(),
            to: url,
            reason: "there are too many redirects in a row",
        }))
    }

    /// Repeats `request` while the network or the server's load is at fault.
    fn insist<T>(
        &self,
        url: &str,
        cancel: &Cancel,
        request: impl Fn() -> Result<(String, Response<Body>), Failure>,
        read: impl Fn(String, Response<Body>) -> Result<T, Failure>,
    ) -> Result<T, HubError> {
        let mut tries = 0;
        loop {
            cancel.check()?;
            tries += 1;
            let (failure, asked) = match request() {
                Ok((_, answer)) if is_transient(answer.status().as_u16()) => {
                    let status = answer.status().as_u16();
                    (Err(status), retry_after(answer.headers()))
                }
                Ok((at, answer)) => match read(at, answer) {
                    Ok(value) => return Ok(value),
                    Err(Failure::Fatal(error)) => return Err(error),
                    Err(Failure::Transport(reason)) => (Ok(reason), None),
                },
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Transport(reason)) => (Ok(reason), None),
            };
            if tries >= self.retry.attempts.max(1) {
                return Err(give_up(url, tries, failure));
            }
            cancel.sleep(wait(&self.retry, tries, asked))?;
        }
    }

    /// A JSON document of the endpoint. `refused` makes the error of a 4xx answer.
    pub(super) fn json(
        &self,
        url: &str,
        cancel: &Cancel,
        refused: impl Fn(u16, &HeaderMap) -> HubError,
    ) -> Result<Value, HubError> {
        let request = || self.follow(&Method::GET, url, &[], |_, _| false);
        self.insist(url, cancel, request, |_, mut answer| {
            if !answer.status().is_success() {
                return Err(Failure::Fatal(refused(answer.status().as_u16(), answer.headers())));
            }
            let bytes = answer
                .body_mut()
                .with_config()
                .limit(MAX_JSON)
                .read_to_vec()
                .map_err(|error| Failure::Transport(error.to_string()))?;
            serde_json::from_slice(&bytes).map_err(|error| {
                Failure::Fatal(HubError::BadAnswer { url: url.to_owned(), reason: error.to_string() })
            })
        })
    }

    /// What the hub says about a file, from its own answer: redirects within its host are followed, the one to a
    /// storage host is not.
    pub(super) fn metadata(
        &self,
        url: &str,
        cancel: &Cancel,
        refused: impl Fn(u16, &HeaderMap) -> HubError,
    ) -> Result<Metadata, HubError> {
        let request = || {
            self.follow(&Method::HEAD, url, &[], |next, answer| {
                Origin::of(next).as_ref() != Some(&self.origin)
                    && header(answer.headers(), "x-repo-commit").is_some()
                    && answer.headers().contains_key("x-linked-etag")
            })
        };
        self.insist(url, cancel, request, |at, answer| {
            let headers = answer.headers();
            let status = answer.status();
            if !status.is_success() && !status.is_redirection() {
                return Err(Failure::Fatal(refused(status.as_u16(), headers)));
            }
            let bad = |reason: String| Failure::Fatal(HubError::BadAnswer { url: url.to_owned(), reason });
            let commit = header(headers, "x-repo-commit").ok_or_else(|| {
                bad("its answer has no X-Repo-Commit header; is HF_ENDPOINT a model hub?".to_owned())
            })?;
            let raw = header(headers, "x-linked-etag")
                .or_else(|| header(headers, "etag"))
                .ok_or_else(|| bad("its answer names no ETag for the file".to_owned()))?;
            let etag = normal_etag(&raw);
            // It becomes a file name.
            if etag.is_empty()
                || etag.len() > 128
                || !etag.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                || etag.starts_with('.')
            {
                return Err(bad(format!("its ETag {raw:?} cannot name a file")));
            }
            let number = |name| header(headers, name).and_then(|text| text.trim().parse().ok());
            let own_length = if status.is_redirection() { None } else { number("content-length") };
            Ok(Metadata {
                commit,
                etag: etag.to_owned(),
                size: number("x-linked-size").or(own_length),
                direct: status.is_success() && Origin::of(&at).as_ref() == Some(&self.origin),
            })
        })
    }

    /// Starts a `GET` on a thread of its own. Dropping the receiver ends the thread at its next chunk or, when the
    /// server says nothing, when the stall time is over.
    pub(super) fn stream(&self, url: &str, extra: Vec<(&'static str, String)>) -> Receiver<Message> {
        let (sender, receiver) = sync_channel(4);
        let client = self.clone();
        let url = url.to_owned();
        let started = thread::Builder::new().name("model download".to_owned()).spawn({
            let sender = sender.clone();
            move || {
                if let Err(failure) = client.pump(&url, &extra, &sender) {
                    let _ = sender.send(Message::Failed(failure));
                }
            }
        });
        if let Err(error) = started {
            let _ = sender.send(Message::Failed(Failure::Transport(error.to_string())));
        }
        receiver
    }

    fn pump(&self, url: &str, extra: &[(&str, String)], out: &SyncSender<Message>) -> Result<(), Failure> {
        let (_, answer) = self.follow(&Method::GET, url, extra, |_, _| false)?;
        let (parts, body) = answer.into_parts();
        let mut reader = body.into_reader();
        if out.send(Message::Head { status: parts.status.as_u16(), headers: parts.headers }).is_err() {
            return Ok(());
        }
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = match reader.read(&mut chunk) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Transport(error.to_string())),
            };
            chunk.truncate(read);
            let message = if read == 0 { Message::End } else { Message::Chunk(chunk) };
            if out.send(message).is_err() || read == 0 {
                return Ok(());
            }
        }
    }
}

/// Statuses that a later try can cure.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// The error after the last try: a reason of the network, or a status.
pub(super) fn give_up(url: &str, attempts: u32, failure: Result<String, u16>) -> HubError {
    let url = url.to_owned();
    match failure {
        Ok(reason) => HubError::Network { url, attempts, reason },
        Err(429) => HubError::TooManyRequests { url, attempts },
        Err(status) => HubError::Network { url, attempts, reason: format!("HTTP {status}") },
    }
}

/// How long to wait after the `tries`-th try: what the server asked for, else doubling.
pub(super) fn wait(retry: &Retry, tries: u32, asked: Option<Duration>) -> Duration {
    let doubled = 2_u32.saturating_pow(tries.saturating_sub(1).min(20));
    asked.unwrap_or_else(|| retry.first_wait.saturating_mul(doubled)).min(retry.longest_wait)
}

pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    header(headers, "retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The etag without quotes and the weak mark.
pub(super) fn normal_etag(raw: &str) -> &str {
    let raw = raw.trim();
    raw.strip_prefix("W/").unwrap_or(raw).trim_matches('"')
}

/// `to` as seen from `base`; `None` where that is no http(s) address.
fn join(base: &str, to: &str) -> Option<String> {
    let to = to.trim();
    let origin_end = base.find("://")? + 3;
    let path_start = base.get(origin_end..)?.find(['/', '?', '#']).map_or(base.len(), |at| origin_end + at);
    let lower = to.to_ascii_lowercase();
    let joined = if lower.starts_with("http://") || lower.starts_with("https://") {
        to.to_owned()
    } else if to.starts_with("//") {
        format!("{}{to}", base.get(..origin_end - 2)?)
    } else if to.starts_with('/') {
        format!("{}{to}", base.get(..path_start)?)
    } else if to.is_empty() || to.split(['/', '?', '#']).next()?.contains(':') {
        return None;
    } else {
        let path = base.get(path_start..)?.split(['?', '#']).next()?;
        let folder = path.rfind('/').map_or("/", |at| path.get(..=at).unwrap_or("/"));
        format!("{}{folder}{to}", base.get(..path_start)?)
    };
    Origin::of(&joined)?;
    Some(joined)
}

/// Percent-encodes what is not unreserved, keeping `/` where `slash` says so.
fn percent(text: &str, slash: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_targets() {
        let base = "https://hub.test:8443/a/b?x=1";
        for (to, want) in [
            ("https://cdn.test/f?s=2", Some("https://cdn.test/f?s=2")),
            ("//cdn.test/f", Some("https://cdn.test/f")),
            ("/c", Some("https://hub.test:8443/c")),
            ("c/d", Some("https://hub.test:8443/a/c/d")),
            ("", None),
            ("ftp://x/y", None),
            ("javascript:alert(1)", None),
            ("file:///etc/passwd", None),
            ("https://user:pw@cdn.test/f", None),
        ] {
            assert_eq!(join(base, to).as_deref(), want, "{to}");
        }
        assert_eq!(join("http://h", "c").as_deref(), Some("http://h/c"));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a, b| Origin::of(a) == Origin::of(b);
        assert!(same("https://Hub.test/a", "https://hub.test:443/b"));
        assert!(!same("https://hub.test", "http://hub.test"));
        assert!(!same("http://127.0.0.1:1", "http://127.0.0.1:2"));
        for bad in ["hub.test", "ftp://hub.test", "https://", "", "https://u@hub.test"] {
            assert_eq!(Origin::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn waits_double_and_are_bounded() {
        let retry =
            Retry { attempts: 3, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) };
        let seconds =
            |tries, asked: Option<u64>| wait(&retry, tries, asked.map(Duration::from_secs)).as_secs();
        assert_eq!(
            [seconds(1, None), seconds(2, None), seconds(3, None), seconds(u32::MAX, None)],
            [1, 2, 4, 60]
        );
        assert_eq!([seconds(1, Some(7)), seconds(1, Some(u64::MAX))], [7, 60]);
    }

    #[test]
    fn etags_and_names_in_addresses() {
        for raw in ["\"abc\"", "W/\"abc\"", "abc", " \"abc\" "] {
            assert_eq!(normal_etag(raw), "abc");
        }
        assert_eq!(percent("refs/pr/1", false), "refs%2Fpr%2F1");
        assert_eq!(percent("a b/ü?.json", true), "a%20b/%C3%BC%3F.json");
    }
}
