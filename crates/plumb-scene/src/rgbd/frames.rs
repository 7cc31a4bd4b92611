//! Which files of a folder belong together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::calibration::{associate, tum_list};
use super::files::{cannot, read_text};
use super::format::DepthFormat;
use super::raster::wrong;
use crate::Result;

/// The files of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramePaths {
    pub color: PathBuf,
    pub depth: PathBuf,
    /// For [`super::calibration::intrinsics`].
    pub intrinsics: Option<PathBuf>,
    /// ScanNet: a pose of its own. Redwood: the trajectory of the whole folder. SUN RGB-D: the levelling rotation.
    pub pose: Option<PathBuf>,
}

/// The most entries of one folder that are looked at.
const MAX_ENTRIES: usize = 1_000_000;

/// Colour and depth may be this far apart in TUM's lists, in seconds.
const TUM_APART: f64 = 0.02;

/// The frames of a folder in the layout of a data set, sorted by name (TUM: by time).
///
/// | format | layout |
/// |---|---|
/// | TUM | `rgb.txt`, `depth.txt` with times; or as *any* |
/// | SUN | `image/*`, `depth_bfx/*` (else `depth/*`), `intrinsics.txt`, `extrinsics/*.txt` |
/// | ScanNet | `color/N.jpg`, `depth/N.png`, `pose/N.txt`, `intrinsic/intrinsic_depth.txt` (or beside them) |
/// | any | `color`, `rgb` or `image` and `depth` with equal stems, or `color.*` and `depth.*` in the folder itself; `trajectory.log`, `intrinsics.txt` |
///
/// # Errors
/// [`crate::SceneError::Io`] for a folder that cannot be listed; [`crate::SceneError::Format`] naming it if it holds no frame, or a TUM list is damaged.
pub fn find_frames(folder: &Path, format: DepthFormat) -> Result<Vec<FramePaths>> {
    // The folder itself first: its absence is the clearer error.
    let top = listing(folder)?;
    if format == DepthFormat::Tum && folder.join("rgb.txt").is_file() {
        return tum(folder);
    }
    let depth_folders: &[&str] =
        if format == DepthFormat::Sun { &["depth_bfx", "depth"] } else { &["depth"] };
    let some = |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|path| path.is_dir());
    let file = |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let intrinsics = file(&[
        "intrinsic/intrinsic_depth.txt",
        "intrinsic_depth.txt",
        "intrinsics.txt",
        "intrinsic/intrinsic_color.txt",
        "intrinsic_color.txt",
    ]);
    let (colors, depths) = match (some(&["color", "rgb", "image"]), some(depth_folders)) {
        (Some(color), Some(depth)) => (listing(&color)?, listing(&depth)?),
        _ => {
            let only = |stem: &str| {
                top.iter().filter(|(s, _)| s.as_str() == stem).map(|(s, p)| (s.clone(), p.clone())).collect()
            };
            (only("color"), only("depth"))
        }
    };
    let mut frames = Vec::new();
    let single = colors.len() == 1 && depths.len() == 1;
    for (stem, color) in &colors {
        // SUN RGB-D has one frame a folder, and its colour and depth have different names.
        let depth = depths.get(stem).or_else(|| single.then(|| depths.values().next()).flatten());
        let Some(depth) = depth else { continue };
        let pose = match format {
            DepthFormat::Scannet => {
                Some(folder.join("pose").join(format!("{stem}.txt"))).filter(|path| path.is_file())
            }
            DepthFormat::Sun => latest(&folder.join("extrinsics"))?,
            _ => file(&["trajectory.log"]),
        };
        frames.push(FramePaths {
            color: color.clone(),
            depth: depth.clone(),
            intrinsics: intrinsics.clone(),
            pose,
        });
    }
    if frames.is_empty() {
        let (c, d) = (colors.len(), depths.len());
        return wrong(
            &folder.display().to_string(),
            format!(
                "no frame in the layout of {format}: {c} colour and {d} depth files, none with the same name"
            ),
        );
    }
    // "10" after "9".
    frames.sort_by(|a, b| number(&a.color).cmp(&number(&b.color)).then_with(|| a.color.cmp(&b.color)));
    Ok(frames)
}

fn number(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

fn tum(folder: &Path) -> Result<Vec<FramePaths>> {
    let list = |file: &str| {
        let path = folder.join(file);
        tum_list(&read_text(&path)?, &path.display().to_string())
    };
    let (colors, depths) = (list("rgb.txt")?, list("depth.txt")?);
    let pairs = associate(&colors, &depths, TUM_APART);
    if pairs.is_empty() {
        let name = folder.display().to_string();
        return wrong(&name, "no colour and depth within 20 ms of each other in rgb.txt and depth.txt");
    }
    let inside = |file: &str| {
        let relative = Path::new(file);
        // A list must not lead out of its folder.
        let plain = relative
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
        if plain {
            Ok(folder.join(relative))
        } else {
            wrong(&folder.display().to_string(), format!("'{file}' is not in the folder"))
        }
    };
    pairs
        .into_iter()
        .map(|(a, b)| {
            Ok(FramePaths {
                color: inside(&colors[a].1)?,
                depth: inside(&depths[b].1)?,
                intrinsics: None,
                pose: None,
            })
        })
        .collect()
}

/// Files by stem. Of two files with one stem the first name in order counts.
fn listing(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    const KNOWN: [&str; 9] = ["png", "jpg", "jpeg", "pgm", "tif", "tiff", "exr", "npy", "ppm"];
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(cannot(folder))?.take(MAX_ENTRIES) {
        let path = entry.map_err(cannot(folder))?.path();
        let known = path
            .extension()
            .and_then(|ending| ending.to_str())
            .is_some_and(|ending| KNOWN.contains(&ending.to_ascii_lowercase().as_str()));
        let (true, Some(stem)) = (known, path.file_stem().and_then(|stem| stem.to_str())) else { continue };
        let stem = stem.to_owned();
        match found.get(&stem) {
            Some(other) if *other <= path => {}
            _ => {
                found.insert(stem, path);
            }
        }
    }
    Ok(found)
}

/// The file with the greatest name: SUN RGB-D names corrections by date.
fn latest(folder: &Path) -> Result<Option<PathBuf>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut best: Option<PathBuf> = None;
    for entry in std::fs::read_dir(folder).map_err(cannot(folder))?.take(MAX_ENTRIES) {
        let path = entry.map_err(cannot(folder))?.path();
        if path.extension().is_some_and(|ending| ending == "txt")
            && best.as_ref().is_none_or(|other| *other < path)
        {
            best = Some(path);
        }
    }
    Ok(best)
}
