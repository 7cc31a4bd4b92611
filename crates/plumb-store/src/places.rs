//! Where a person's own files go when they do not say.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of runs that were given none: `$PLUMBLINE_DATA/runs`, else `plumbline/runs` among the person's
/// application data (`$XDG_DATA_HOME` or `~/.local/share`; `Application Support`; `%APPDATA%`). `None` where the system
/// names no such folder.
#[must_use]
pub fn runs() -> Option<PathBuf> {
    runs_from(std::env::var_os("PLUMBLINE_DATA"), dirs::data_dir())
}

fn runs_from(own: Option<OsString>, data: Option<PathBuf>) -> Option<PathBuf> {
    let own = own.filter(|value| !value.is_empty()).map(PathBuf::from);
    Some(own.or_else(|| data.map(|data| data.join("plumbline")))?.join("runs"))
}

/// Makes and gives `parent/name-N` with the first `N` from 1 that nobody has.
///
/// # Errors
/// When the folder cannot be made.
pub fn fresh(parent: &Path, name: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(parent)?;
    let mut number = 1_u64;
    loop {
        let folder = parent.join(format!("{name}-{number}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_stands_above_the_system() {
        let data = || Some(PathBuf::from("/d"));
        assert_eq!(runs_from(Some("/own".into()), data()).unwrap(), Path::new("/own/runs"));
        assert_eq!(runs_from(Some("".into()), data()).unwrap(), Path::new("/d/plumbline/runs"));
        assert_eq!(runs_from(None, None), None);
    }

    #[test]
    fn no_folder_is_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path().join("a/b");
        let first = fresh(&parent, "demo").unwrap();
        assert_eq!(first, parent.join("demo-1"));
        assert_eq!(fresh(&parent, "demo").unwrap(), parent.join("demo-2"));
    }
}
