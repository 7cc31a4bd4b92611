//! How a person names a model, and which names may become paths.

use super::HubError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A model: a folder on this machine, or a repository of the hub.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelRef {
    /// A folder that holds `config.json` and the rest.
    Local(PathBuf),
    /// A repository, kept in the cache.
    Hub(HubId),
}

impl ModelRef {
    /// Reads a reference as a person types it. A folder that exists is that folder, whatever else its name could mean;
    /// what looks like a path (`./m`, `/m`, `~/m`, `C:\m`) is a local folder even where there is none.
    ///
    /// # Errors
    /// The text is neither a path nor a valid `org/name[@revision]`.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        if text.is_empty() || text.contains('\0') {
            let reason = if text.is_empty() { "it is empty" } else { "it contains a NUL" };
            return Err(HubError::BadReference { text: text.to_owned(), reason: reason.to_owned() });
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Local(path.to_path_buf()));
        }
        if let Some(rest) = text.strip_prefix("~/")
            && let Some(home) = dirs::home_dir()
        {
            return Ok(Self::Local(home.join(rest)));
        }
        let looks_like_a_path = path.is_absolute()
            || text.starts_with(['.', '~'])
            || text.contains('\\')
            || text.as_bytes().get(1) == Some(&b':');
        if looks_like_a_path { Ok(Self::Local(path.to_path_buf())) } else { text.parse().map(Self::Hub) }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Hub(id) => write!(f, "{id}"),
        }
    }
}

/// A repository and one of its revisions: `org/name` or `org/name@revision`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HubId {
    repo: String,
    revision: String,
}

impl HubId {
    /// `org/name`.
    #[must_use]
    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// A branch, a tag or a commit; `main` where none was given.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The same repository at another revision.
    ///
    /// # Errors
    /// The revision is not one that a hub could have.
    pub fn at(&self, revision: &str) -> Result<Self, HubError> {
        format!("{}@{revision}", self.repo).parse()
    }

    /// The repository of a cache folder `models--org--name`, where that is one.
    pub(super) fn from_folder_name(name: &str) -> Option<Self> {
        let (org, name) = name.strip_prefix("models--")?.split_once("--")?;
        format!("{org}/{name}").parse().ok()
    }

    pub(super) fn folder_name(&self) -> String {
        format!("models--{}", self.repo.replace('/', "--"))
    }
}

impl FromStr for HubId {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let bad = |reason: &str| HubError::BadReference { text: text.to_owned(), reason: reason.to_owned() };
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (org, name) =
            repo.split_once('/').ok_or_else(|| bad("it has no organisation and no such folder exists"))?;
        // The rules of huggingface_hub/utils/_validators.py.
        if repo.len() > 96 {
            return Err(bad("it is longer than 96 characters"));
        }
        for part in [org, name] {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
                return Err(bad("organisation and name are letters, digits, '-', '_' and '.'"));
            }
            if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) {
                return Err(bad("organisation and name neither begin nor end with '-' or '.'"));
            }
        }
        if repo.contains("--") || repo.contains("..") {
            return Err(bad("'--' and '..' cannot be in a repository's name"));
        }
        // The revision becomes a file name under refs/, so it obeys the rules of file names and of git.
        if let Err(reason) = check_file_name(revision) {
            return Err(bad(&format!("its revision is not usable: {reason}")));
        }
        if revision.len() > 255 || revision.bytes().any(|b| b.is_ascii_whitespace() || b"~^?*[".contains(&b))
        {
            return Err(bad("no git revision has such a name"));
        }
        Ok(Self { repo: repo.to_owned(), revision: revision.to_owned() })
    }
}

impl TryFrom<String> for HubId {
    type Error = HubError;
    fn try_from(text: String) -> Result<Self, HubError> {
        text.parse()
    }
}

impl From<HubId> for String {
    fn from(id: HubId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repo)?;
        if self.revision == "main" { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

/// Whether `name`, as a server gives it, stays inside the folder it is joined to, on any operating system.
///
/// # Errors
/// Why it does not.
pub fn check_file_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > 1024 {
        return Err("it is longer than 1024 bytes");
    }
    if name.bytes().any(|b| b == 0 || b < 0x20 || b == 0x7f) {
        return Err("it contains a NUL or a control character");
    }
    if name.contains('\\') {
        return Err("it contains a backslash");
    }
    if name.starts_with('/') {
        return Err("it is an absolute path");
    }
    if name.contains(':') {
        return Err("it contains a colon, which names a drive or a stream on Windows");
    }
    if name.split('/').any(|part| part == ".." || part == "." || part.is_empty()) {
        return Err("it has an empty, '.' or '..' part");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_and_paths_are_told_apart() {
        let hub = |text: &str| match ModelRef::parse(text) {
            Ok(ModelRef::Hub(id)) => Some((id.repo().to_owned(), id.revision().to_owned())),
            _ => None,
        };
        assert_eq!(hub("org/na.me-1"), Some(("org/na.me-1".into(), "main".into())));
        assert_eq!(hub("org/name@refs/pr/3"), Some(("org/name".into(), "refs/pr/3".into())));
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_str().unwrap(), "./model", "/no/where", "C:\\m", "~x/y", "../m"] {
            assert!(matches!(ModelRef::parse(path), Ok(ModelRef::Local(_))), "{path}");
        }
    }

    #[test]
    fn names_no_hub_has_are_refused() {
        for text in [
            "",
            "name",
            "a/b/c",
            "org/",
            "org/na--me",
            "org/na..me",
            "org/-x",
            "org/x.",
            "org/é",
            "org/a b",
            "org/name@",
            "org/name@../x",
            "org/name@/x",
            "org/name@a\\b",
            "org/name@a b",
            "org/na\0me",
            "org/name@a//b",
            "org/name@a\u{1}",
        ] {
            assert!(text.parse::<HubId>().is_err(), "{text:?}");
        }
        for text in ["", "name", "a/b/c", "org/na\0me"] {
            assert!(ModelRef::parse(text).is_err(), "{text:?}");
        }
        assert!(format!("org/{}", "x".repeat(100)).parse::<HubId>().is_err());
    }

    #[test]
    fn a_folder_name_gives_its_repository_back() {
        let id: HubId = "org/my-model_1.5".parse().unwrap();
        assert_eq!(id.folder_name(), "models--org--my-model_1.5");
        assert_eq!(HubId::from_folder_name(&id.folder_name()), Some(id));
        for name in ["datasets--a--b", "models--a", "models--a--..", ".locks"] {
            assert_eq!(HubId::from_folder_name(name), None, "{name}");
        }
    }

    #[test]
    fn hostile_file_names_are_refused() {
        for name in
            ["", "../x", "a/../x", "/etc/passwd", "a\\b", "a\0b", "a//b", "./a", "a/", "C:x", "a\nb", "x/.."]
        {
            assert!(check_file_name(name).is_err(), "{name:?}");
        }
        for name in ["config.json", "a/b.txt", "..a", "a..b", ".gitattributes", "mödel.json"] {
            assert!(check_file_name(name).is_ok(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_never_leaves_its_folder(name in "[a./\\\\:é]{0,12}") {
            if check_file_name(&name).is_ok() {
                let joined = Path::new("folder").join(&name);
                prop_assert!(joined.starts_with("folder"));
                prop_assert!(joined.components().all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }

        #[test]
        fn ids_read_back_from_what_they_print(text in "[a-c]{1,3}/[a-c.]{1,4}(@[a-c./]{1,4})?") {
            if let Ok(id) = text.parse::<HubId>() {
                prop_assert_eq!(id.to_string().parse::<HubId>().unwrap(), id);
            }
        }
    }
}
