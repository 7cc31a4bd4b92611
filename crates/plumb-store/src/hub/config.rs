//! The settings of the model store, read from the variables that the Python client reads
//! (huggingface_hub `constants.py`, `utils/_auth.py`).

use super::HubError;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A secret of the hub. It prints as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token as it stands in a variable or file; `None` where nothing is left without white space.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        // Anything else would not pass through a header, and is no token of any hub.
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How a request that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in a row that bring nothing new before giving up; at least 1 is made.
    pub attempts: u32,
    /// Wait before the second try; it doubles with each further one.
    pub first_wait: Duration,
    /// No wait is longer, a server's `Retry-After` included.
    pub longest_wait: Duration,
}

/// The settings of the model store.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Address of the hub without a slash at its end.
    pub endpoint: String,
    /// The folder that holds `models--org--name` folders.
    pub cache: PathBuf,
    /// Sent to the endpoint and to nobody else.
    pub token: Option<Token>,
    /// Whether the network must not be used.
    pub offline: bool,
    /// What happens when a connection breaks.
    pub retry: Retry,
    /// A connection is given up after this long without a byte.
    pub stall: Duration,
}

impl HubConfig {
    /// Defaults around a cache folder: the public hub, no token.
    #[must_use]
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            cache: cache.into(),
            token: None,
            offline: false,
            retry: Retry {
                attempts: 6,
                first_wait: Duration::from_secs(1),
                longest_wait: Duration::from_secs(60),
            },
            stall: Duration::from_secs(30),
        }
    }

    /// Reads `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE` (`HUGGINGFACE_HUB_CACHE`), `XDG_CACHE_HOME`, `HF_HUB_OFFLINE`
    /// (`TRANSFORMERS_OFFLINE`), `HF_TOKEN` (`HUGGING_FACE_HUB_TOKEN`), `HF_TOKEN_PATH` and
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN`.
    ///
    /// # Errors
    /// Neither those nor the system name a folder for the cache.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_vars(|name| std::env::var_os(name), dirs::home_dir().as_deref())
    }

    /// [`HubConfig::from_env`] with the variables and the home folder given.
    ///
    /// # Errors
    /// The cache would be in the home folder and there is none.
    pub fn from_vars(
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<&Path>,
    ) -> Result<Self, HubError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let truth = |name: &str| {
            text(name)
                .is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str()))
        };
        let folder = |name: &str| set(name).map(|value| expand(&value, home, &variable));
        let hf_home = folder("HF_HOME").or_else(|| {
            let cache = folder("XDG_CACHE_HOME").or_else(|| home.map(|home| home.join(".cache")))?;
            Some(cache.join("huggingface"))
        });
        let cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| hf_home.as_ref().map(|home| home.join("hub")))
            .ok_or(HubError::NoHome)?;
        let mut config = Self::new(cache);
        if let Some(endpoint) = text("HF_ENDPOINT") {
            config.endpoint = endpoint.trim().trim_end_matches('/').to_owned();
        }
        config.offline =
            truth("HF_HUB_OFFLINE") || (set("HF_HUB_OFFLINE").is_none() && truth("TRANSFORMERS_OFFLINE"));
        if !truth("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            let token_path = folder("HF_TOKEN_PATH").or_else(|| hf_home.map(|home| home.join("token")));
            config.token = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
                .iter()
                .find_map(|name| text(name).as_deref().and_then(Token::new))
                .or_else(|| fs::read_to_string(token_path?).ok().as_deref().and_then(Token::new));
        }
        Ok(config)
    }
}

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// Replaces a leading `~` and every `$NAME` and `${NAME}` that is set, as the Python client does.
fn expand(value: &OsString, home: Option<&Path>, variable: &impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let Some(text) = value.to_str() else {
        return PathBuf::from(value);
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, whole, tail) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, tail)) => (name, format!("${{{name}}}"), tail),
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                let (name, tail) = after.split_at_checked(end).unwrap_or((after, ""));
                (name, format!("${name}"), tail)
            }
        };
        match variable(name).and_then(|value| value.into_string().ok()).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&whole),
        }
        rest = tail;
    }
    out.push_str(rest);
    match (out.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_path_buf(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> HubConfig {
        let vars: Vec<(String, OsString)> =
            vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        let get = move |name: &str| vars.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        HubConfig::from_vars(get, Some(Path::new("/home/u"))).unwrap()
    }

    #[test]
    fn the_cache_is_where_the_python_client_has_it() {
        let cache = |vars: &[(&str, &str)]| config(vars).cache;
        assert_eq!(cache(&[]), Path::new("/home/u/.cache/huggingface/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/h")]), Path::new("/home/u/h/hub"));
        assert_eq!(
            cache(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "${HF_HOME}/c/$NO/$HF_HOME")]),
            Path::new("/h/c/$NO//h")
        );
        assert_eq!(cache(&[("HUGGINGFACE_HUB_CACHE", "/old")]), Path::new("/old"));
        assert!(matches!(HubConfig::from_vars(|_| None, None), Err(HubError::NoHome)));
    }

    #[test]
    fn endpoint_offline_and_empty_values() {
        assert_eq!(
            config(&[("HF_ENDPOINT", "http://127.0.0.1:9/mirror//")]).endpoint,
            "http://127.0.0.1:9/mirror"
        );
        assert_eq!(config(&[("HF_ENDPOINT", "")]).endpoint, DEFAULT_ENDPOINT);
        for (value, offline) in
            [("1", true), ("true", true), ("Yes", true), ("0", false), ("", false), ("no", false)]
        {
            assert_eq!(config(&[("HF_HUB_OFFLINE", value)]).offline, offline, "{value:?}");
        }
        assert!(config(&[("TRANSFORMERS_OFFLINE", "1")]).offline);
        assert!(!config(&[("TRANSFORMERS_OFFLINE", "1"), ("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn the_token_comes_from_the_variable_or_the_file_and_never_prints() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("token"), "from-file\n").unwrap();
        let hf_home = home.path().to_str().unwrap();
        let token = |vars: &[(&str, &str)]| config(vars).token.map(|token| token.secret().to_owned());
        assert_eq!(token(&[("HF_HOME", hf_home)]).as_deref(), Some("from-file"));
        assert_eq!(
            token(&[("HF_HOME", hf_home), ("HF_TOKEN", " from-env\r\n")]).as_deref(),
            Some("from-env")
        );
        assert_eq!(token(&[("HF_HOME", hf_home), ("HF_TOKEN", "  ")]).as_deref(), Some("from-file"));
        assert_eq!(token(&[("HF_HOME", hf_home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert_eq!(token(&[("HF_TOKEN", "two words")]), None);
        assert!(!format!("{:?}", config(&[("HF_TOKEN", "hf_secret")])).contains("secret"));
    }
}
