//! What a download will fetch and under which licence, before a byte of it is fetched.

use super::digest::Kind;
use super::download::Cancel;
use super::http::header;
use super::layout::{RepoFolder, is_commit};
use super::{Hub, HubError, HubId, check_file_name};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::fs;
use ureq::http::HeaderMap;

/// The licence of a model as its page names it. All fields can be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    /// The hub's name for it, as `apache-2.0` or `other`.
    pub id: Option<String>,
    /// Its own name where `id` is `other`.
    pub name: Option<String>,
    /// Where its text is.
    pub link: Option<String>,
}

impl Licence {
    fn of_card(info: &Value) -> Self {
        let text = |key: &str| {
            let value = &info["cardData"][key];
            match value {
                Value::String(text) => Some(text.clone()),
                // A model can have several; the list is then what a person has to read.
                Value::Array(list) if !list.is_empty() => {
                    Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
                }
                _ => None,
            }
        };
        let tag = || {
            let tags = info["tags"].as_array()?;
            tags.iter()
                .filter_map(Value::as_str)
                .find_map(|tag| tag.strip_prefix("license:"))
                .map(str::to_owned)
        };
        Self { id: text("license").or_else(tag), name: text("license_name"), link: text("license_link") }
    }

    /// From the head (YAML between two `---`) of a model's `README.md`: the three plain keys, nothing deeper.
    pub(super) fn of_readme(text: &str) -> Self {
        let head: Vec<&str> = match text.strip_prefix("---") {
            Some(rest) => rest.lines().skip(1).take_while(|line| line.trim_end() != "---").collect(),
            None => Vec::new(),
        };
        let value = |key: &str| {
            head.iter().find_map(|line| {
                let text = line.strip_prefix(key)?.strip_prefix(':')?.trim().trim_matches(['"', '\'']);
                (!text.is_empty()).then(|| text.to_owned())
            })
        };
        Self { id: value("license"), name: value("license_name"), link: value("license_link") }
    }
}

impl fmt::Display for Licence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().or(self.id.as_deref()).unwrap_or("unknown"))?;
        self.link.as_ref().map_or(Ok(()), |link| write!(f, " ({link})"))
    }
}

/// A repository at a revision, as the hub describes it.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    /// The commit that the revision means now.
    pub commit: String,
    /// Its licence.
    pub licence: Licence,
    /// Whether its owner must grant access.
    pub gated: bool,
    /// Name, size in bytes and SHA-256 (large files) of every file, where the hub tells.
    pub files: Vec<(String, Option<u64>, Option<String>)>,
}

/// One file of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Name in the repository, with `/`.
    pub name: String,
    /// Name of its blob: its SHA-256, or git's SHA-1.
    pub etag: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Bytes that are on this machine already; equal to `bytes` where nothing is to be fetched.
    pub present: u64,
    pub(super) direct: bool,
}

/// What a download will do.
#[derive(Debug, Clone)]
pub struct DownloadPlan {
    /// What was asked for.
    pub id: HubId,
    /// The commit it means.
    pub commit: String,
    /// To be shown before the download.
    pub licence: Licence,
    /// The files, in the order they are fetched.
    pub files: Vec<PlannedFile>,
}

impl DownloadPlan {
    /// Size of the model's files, in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// Bytes that remain to be fetched.
    #[must_use]
    pub fn remaining_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes.saturating_sub(file.present)))
    }
}

/// Whether a model needs the file: configuration, tokenizer, chat template, safetensors weights, and the texts that name
/// its licence. Only files at the top of a repository count.
#[must_use]
pub fn is_model_file(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "config.json",
        "generation_config.json",
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.json",
        "chat_template.jinja",
        "adapter_config.json",
        "README.md",
        "LICENSE",
        "LICENSE.txt",
    ];
    !name.contains('/')
        && (NAMES.contains(&name)
            || name.ends_with(".safetensors")
            || name.ends_with(".safetensors.index.json"))
}

impl Hub {
    /// Asks the hub about a repository.
    ///
    /// # Errors
    /// The network is off or down; the repository or revision does not exist or is not shown to this account; a file's
    /// name is hostile.
    pub fn info(&self, id: &HubId) -> Result<ModelInfo, HubError> {
        if self.config.offline {
            return Err(HubError::Offline { id: id.clone(), cache: self.config.cache.clone() });
        }
        let url = self.client.info_url(id.repo(), id.revision());
        let info = self.client.json(&url, &Cancel::default(), |status, headers| {
            refused(id, &format!("model {id}"), &url, status, headers)
        })?;
        let bad = |reason: &str| HubError::BadAnswer { url: url.clone(), reason: reason.to_owned() };
        let commit = info["sha"].as_str().ok_or_else(|| bad("it names no commit (sha)"))?.to_owned();
        if !is_commit(&commit) {
            return Err(bad("its commit (sha) is no 40 hexadecimal digits"));
        }
        let siblings = info["siblings"].as_array().ok_or_else(|| bad("it lists no files (siblings)"))?;
        let mut files = Vec::new();
        for sibling in siblings {
            let name =
                sibling["rfilename"].as_str().ok_or_else(|| bad("a listed file has no name (rfilename)"))?;
            if let Err(reason) = check_file_name(name) {
                return Err(HubError::UnsafeFileName { id: id.clone(), name: name.to_owned(), reason });
            }
            let sha256 = sibling["lfs"]["sha256"].as_str().map(str::to_owned);
            files.push((name.to_owned(), sibling["size"].as_u64(), sha256));
        }
        let gated = matches!(&info["gated"], Value::String(_) | Value::Bool(true));
        Ok(ModelInfo { commit, licence: Licence::of_card(&info), gated, files })
    }

    /// Finds out what a download of `id` would fetch; nothing of the model itself is fetched.
    ///
    /// # Errors
    /// As [`Hub::info`]; the repository has no `config.json` or no safetensors; the hub contradicts itself.
    pub fn plan(&self, id: &HubId) -> Result<DownloadPlan, HubError> {
        let info = self.info(id)?;
        let mut wanted: Vec<_> = info.files.iter().filter(|(name, ..)| is_model_file(name)).collect();
        let has = |test: &dyn Fn(&str) -> bool| wanted.iter().any(|(name, ..)| test(name));
        if !has(&|name| name == "config.json") {
            return Err(HubError::NoModelFiles { id: id.clone(), what: "config.json" });
        }
        if !has(&|name| name.ends_with(".safetensors")) {
            return Err(HubError::NoModelFiles { id: id.clone(), what: "*.safetensors file" });
        }
        // Weights last: a snapshot that has its weights has the small files too.
        wanted.sort_by_key(|(name, ..)| (name.ends_with(".safetensors"), name.as_str()));
        let repo = RepoFolder::new(&self.config.cache, id);
        let mut files = Vec::new();
        for (name, listed_size, listed_sha) in wanted {
            let url = self.client.file_url(id.repo(), &info.commit, name);
            let answer = self.client.metadata(&url, &Cancel::default(), |status, headers| {
                refused(id, &format!("file {name} in {id}"), &url, status, headers)
            });
            let meta = match answer {
                // Listed but not there: only what a model cannot do without is worth stopping for.
                Err(HubError::NotFound { .. })
                    if name != "config.json" && !name.ends_with(".safetensors") =>
                {
                    tracing::warn!(%name, repo = id.repo(), "a listed file is not there");
                    continue;
                }
                other => other?,
            };
            let bad = |reason: String| HubError::BadAnswer { url: url.clone(), reason };
            if meta.commit != info.commit {
                return Err(bad(format!("asked for commit {}, it serves {}", info.commit, meta.commit)));
            }
            let bytes =
                meta.size.or(*listed_size).ok_or_else(|| bad("it tells no size for the file".to_owned()))?;
            if let Some(listed) = listed_size.filter(|listed| *listed != bytes) {
                return Err(bad(format!("the list says {listed} bytes, the file {bytes}")));
            }
            if let Some(sha) = listed_sha.as_ref().filter(|sha| **sha != meta.etag) {
                return Err(bad(format!("the list says SHA-256 {sha}, the file {}", meta.etag)));
            }
            if Kind::of(&meta.etag) == Kind::Opaque {
                tracing::warn!(%name, etag = meta.etag, "the server's etag is no hash: only the length is checked");
            }
            let size_of = |path| fs::metadata(path).ok().map(|data| data.len());
            let present = size_of(repo.blob(&meta.etag))
                .filter(|size| *size == bytes)
                .or_else(|| size_of(repo.unfinished(&meta.etag)).filter(|size| *size <= bytes))
                .unwrap_or(0);
            files.push(PlannedFile {
                name: name.clone(),
                etag: meta.etag,
                bytes,
                present,
                direct: meta.direct,
            });
        }
        Ok(DownloadPlan { id: id.clone(), commit: info.commit, licence: info.licence, files })
    }
}

/// The error of an answer that a repetition will not change.
pub(super) fn refused(id: &HubId, what: &str, url: &str, status: u16, headers: &HeaderMap) -> HubError {
    let message = header(headers, "x-error-message").map(|text| text.chars().take(300).collect());
    match status {
        401 | 403 => HubError::Gated { id: id.clone(), status, message },
        404 => HubError::NotFound { what: what.to_owned(), message },
        _ => HubError::Status { url: url.to_owned(), status, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_files_of_a_model() {
        for name in [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "chat_template.jinja",
        ] {
            assert!(is_model_file(name), "{name}");
        }
        for name in
            ["onnx/model.safetensors", "pytorch_model.bin", ".gitattributes", "training_args.bin", "a.py"]
        {
            assert!(!is_model_file(name), "{name}");
        }
    }

    #[test]
    fn the_licence_from_card_tags_or_readme() {
        let card = Licence::of_card(
            &json!({"cardData": {"license": "other", "license_name": "x-1", "license_link": "L"}}),
        );
        assert_eq!(card.to_string(), "x-1 (L)");
        assert_eq!(Licence::of_card(&json!({"tags": ["a", "license:mit"]})).to_string(), "mit");
        assert_eq!(
            Licence::of_card(&json!({"cardData": {"license": ["mit", "gpl"]}})).to_string(),
            "mit, gpl"
        );
        assert_eq!(Licence::of_card(&json!({"cardData": 3})).to_string(), "unknown");
        let readme = "---\r\nlanguage: en\r\nlicense: \"apache-2.0\"\r\n---\r\nlicense: no\n";
        assert_eq!(Licence::of_readme(readme).id.as_deref(), Some("apache-2.0"));
        assert_eq!(Licence::of_readme("# Title\nlicense: mit\n"), Licence::default());
        assert_eq!(Licence::of_readme("---\nlicense:\n- mit\n---\n").id, None);
    }
}
