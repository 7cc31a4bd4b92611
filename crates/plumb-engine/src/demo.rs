//! The demo pack: a small model, a benchmark, scenes with questions, and an adapter, so that everything works without a
//! download. Where a model, an adapter or a benchmark is asked for, the name `demo` means the pack's.

use std::path::{Path, PathBuf};

/// The name that means the pack's model, adapter or benchmark.
pub const NAME: &str = "demo";
/// The variable that says where the pack is.
pub const VARIABLE: &str = "PLUMBLINE_DEMO";

const FOLDER: &str = "assets/demo";
const MODEL: &str = "model";
const BENCHMARK: &str = "demo.cvbench.parquet";
const SCENES: &str = "scenes";
const QUESTIONS: &str = "scenes/qa.parquet";
const ADAPTER: &str = "adapter";

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(
        "the demo pack is not here: no {FOLDER} beside or above the program or the current folder; set {VARIABLE} to its \
         folder, or run from a checkout of the repository"
    )]
    NotFound,
    #[error(
        "{VARIABLE} names {place}, which is no demo pack: it has no {MODEL}/config.json; set it to the folder {FOLDER} of \
         a checkout of the repository, or unset it"
    )]
    NotAPack { place: PathBuf },
    #[error("the demo pack in {place} has no {part}; get {FOLDER} of the repository anew")]
    Incomplete { place: PathBuf, part: &'static str },
}

/// A demo pack that was found. Its parts are looked for when they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    folder: PathBuf,
}

impl Pack {
    /// The folder in `PLUMBLINE_DEMO`; else `assets/demo` in or above the program's folder, in or above the current one, or in
    /// the sources that the program was built from.
    ///
    /// # Errors
    /// [`DemoError::NotFound`], or [`DemoError::NotAPack`] where the variable is wrong.
    pub fn find() -> Result<Self, DemoError> {
        let program = std::env::current_exe().and_then(|file| file.canonicalize()).ok();
        let current = std::env::current_dir().ok();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok();
        let places = [program, current, sources];
        Self::find_in(std::env::var_os(VARIABLE).map(PathBuf::from), places.into_iter().flatten())
    }

    fn find_in(named: Option<PathBuf>, mut places: impl Iterator<Item = PathBuf>) -> Result<Self, DemoError> {
        if let Some(place) = named.filter(|place| !place.as_os_str().is_empty()) {
            return Self::at(&place).ok_or(DemoError::NotAPack { place });
        }
        places
            .find_map(|place| place.ancestors().find_map(|above| Self::at(&above.join(FOLDER))))
            .ok_or(DemoError::NotFound)
    }

    fn at(folder: &Path) -> Option<Self> {
        let folder = std::path::absolute(folder).ok()?;
        folder.join(MODEL).join("config.json").is_file().then_some(Self { folder })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The model's folder, in Hugging Face layout.
    ///
    /// # Errors
    /// [`DemoError::Incomplete`], as all of the following.
    pub fn model(&self) -> Result<PathBuf, DemoError> {
        self.part(MODEL, "model.safetensors").map(|_| self.folder.join(MODEL))
    }

    /// The benchmark, with CV-Bench's columns.
    ///
    /// # Errors
    /// See [`Self::model`].
    pub fn benchmark(&self) -> Result<PathBuf, DemoError> {
        self.part(BENCHMARK, "")
    }

    /// The folder of scenes, as `plumbline scenes` writes it.
    ///
    /// # Errors
    /// See [`Self::model`].
    pub fn scenes(&self) -> Result<PathBuf, DemoError> {
        self.part(SCENES, "")
    }

    /// Questions about the scenes with their proofs, a data set of plumb-qa.
    ///
    /// # Errors
    /// See [`Self::model`].
    pub fn questions(&self) -> Result<PathBuf, DemoError> {
        self.part(QUESTIONS, "")
    }

    /// The adapter's folder, in PEFT's layout.
    ///
    /// # Errors
    /// See [`Self::model`].
    pub fn adapter(&self) -> Result<PathBuf, DemoError> {
        self.part(ADAPTER, "adapter_config.json").map(|_| self.folder.join(ADAPTER))
    }

    fn part(&self, part: &'static str, file: &str) -> Result<PathBuf, DemoError> {
        let mut path = self.folder.join(part);
        if !file.is_empty() {
            path.push(file);
        }
        if path.exists() { Ok(path) } else { Err(DemoError::Incomplete { place: self.folder.clone(), part }) }
    }
}

/// `path`, or the pack's part where it is the name of the pack.
pub(crate) fn or(
    path: &Path,
    part: impl FnOnce(&Pack) -> Result<PathBuf, DemoError>,
) -> Result<PathBuf, DemoError> {
    if path == Path::new(NAME) { part(&Pack::find()?) } else { Ok(path.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(folder: &Path) {
        std::fs::create_dir_all(folder.join(MODEL)).unwrap();
        std::fs::write(folder.join(MODEL).join("config.json"), "{}").unwrap();
    }

    fn root(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("plumbline-demo-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        root
    }

    #[test]
    fn a_pack_is_found_above_and_the_variable_comes_first() {
        let root = root("found");
        let (beside, named) = (root.join("a/assets/demo"), root.join("named"));
        pack(&beside);
        let deep = root.join("a/target/release/plumbline");
        let find = |named: Option<&Path>| {
            Pack::find_in(named.map(Path::to_path_buf), [root.join("b"), deep.clone()].into_iter())
        };
        assert_eq!(find(None).unwrap().folder(), beside);
        let wrong = find(Some(&named)).unwrap_err();
        assert!(matches!(&wrong, DemoError::NotAPack { place } if *place == named), "{wrong}");
        pack(&named);
        let found = find(Some(&named)).unwrap();
        assert_eq!(found.folder(), named);
        assert!(matches!(found.adapter(), Err(DemoError::Incomplete { part: ADAPTER, .. })));
        assert!(found.model().is_err(), "a model without weights");
        std::fs::write(named.join("model/model.safetensors"), "").unwrap();
        assert_eq!(found.model().unwrap(), named.join("model"));
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn without_a_pack_the_error_says_what_to_do() {
        let root = root("none");
        let error = Pack::find_in(None, [root.join("x")].into_iter()).unwrap_err().to_string();
        assert!(error.contains(VARIABLE) && error.contains(FOLDER), "{error}");
        std::fs::remove_dir_all(&root).unwrap();
    }
}
