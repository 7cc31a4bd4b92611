//! Pictures named by data files, which must not make the program read anything outside of their folder.

use std::path::{Component, Path, PathBuf};

/// A path of a data file as a key: `./a//b.png` and `a/b.png` are the same picture.
///
/// # Errors
/// Why the path may not be used.
pub(super) fn normal(name: &str) -> Result<String, String> {
    let shown: String = name.chars().take(200).collect();
    if name.is_empty() || name.contains('\0') {
        return Err(format!("`{shown}` is no path"));
    }
    let mut parts = Vec::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy()),
            Component::CurDir => {}
            _ => return Err(format!("`{shown}` leaves the folder of the data")),
        }
    }
    if parts.is_empty() { Err(format!("`{shown}` names no file")) } else { Ok(parts.join("/")) }
}

/// The file that a data file names, if it is one within `folder`, links followed.
///
/// # Errors
/// Why the path may not be used.
pub(super) fn locate(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let relative = normal(name)?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let root = folder.canonicalize().map_err(|e| format!("the folder {}: {e}", folder.display()))?;
    let found = root.join(&relative).canonicalize().map_err(|e| format!("`{relative}`: {e}"))?;
    if !found.starts_with(&root) {
        return Err(format!("`{relative}` is a link that leaves the folder of the data"));
    }
    if !found.is_file() {
        return Err(format!("`{relative}` is no file"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_inside_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("i")).unwrap();
        std::fs::write(data.join("i/a.png"), b"x").unwrap();
        std::fs::write(folder.path().join("secret"), b"x").unwrap();
        assert!(locate(&data, "./i//a.png").is_ok());
        assert_eq!(normal("./i//a.png").unwrap(), "i/a.png");
        for bad in ["../secret", "/etc/passwd", "i/../../secret", "", ".", "i", "none.png", "a\0b"] {
            assert!(locate(&data, bad).is_err(), "{bad:?}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.path().join("secret"), data.join("link.png")).unwrap();
            assert!(locate(&data, "link.png").unwrap_err().contains("leaves the folder"));
        }
    }
}
