//! What dropped or chosen files are, by their names and places; the engine says what is wrong with their content. Files are
//! looked at here: this is for threads beside the window's.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use plumb_engine::LiftSource;
use plumb_scene::rgbd::{DepthFormat, find_frames};

use crate::cx::Show;

/// Endings of pictures.
const PICTURES: [&str; 8] = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"];
/// Endings of what can only be depth.
const DEPTHS: [&str; 3] = ["exr", "npy", "pgm"];
/// A description of an adapter or model is a page.
const MOST_JSON: u64 = 4 << 20;

/// Where files that were dropped together are shown, or a sentence for each about why nowhere.
pub(crate) fn kinds(paths: &[PathBuf]) -> Vec<Result<Show, String>> {
    if let [a, b] = paths
        && let Some(source) = pair(a, b).or_else(|| pair(b, a))
    {
        return vec![Ok(Show::Lift(source))];
    }
    paths.iter().map(|path| kind(path)).collect()
}

/// A picture and the depth of what it shows.
fn pair(color: &Path, depth: &Path) -> Option<LiftSource> {
    let fits = is_picture(color) && !is_depth(color) && is_depth(depth);
    fits.then(|| LiftSource::Pair { color: color.to_owned(), depth: depth.to_owned() })
}

/// Where `path` is shown, or a sentence about why nowhere.
pub(crate) fn kind(path: &Path) -> Result<Show, String> {
    let name = path.display();
    if !path.exists() {
        return Err(format!("{name} is not there"));
    }
    if path.is_dir() {
        return folder(path);
    }
    if !path.is_file() {
        return Err(format!("{name} is neither a file nor a folder"));
    }
    // What stands in a folder that means something by its name.
    let above = path.parent().unwrap_or(Path::new(""));
    match path.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
        "run.json"
        | "records.jsonl"
        | "train.toml"
        | "metrics.jsonl"
        | "adapter_config.json"
        | "config.json"
        | "scene.json" => return folder(above),
        _ => {}
    }
    let own = path.to_owned();
    match ending(path).as_str() {
        _ if is_named_depth(path) => Err(format!(
            "{name} is a depth map. Drop it together with its colour picture, and both are lifted to a scene"
        )),
        picture if PICTURES.contains(&picture) => Ok(Show::Picture(own)),
        "parquet" => Ok(Show::Bench(own)),
        "jsonl" | "json" => Ok(Show::Data(own)),
        "safetensors" if above.join("adapter_config.json").exists() || above.join("config.json").exists() => {
            folder(above)
        }
        "safetensors" => {
            Err(format!("{name} has no config.json or adapter_config.json beside it, which say what it is"))
        }
        // With its scene where there is one, else by itself.
        "ply" => Ok(scene_of(path).unwrap_or(Show::Scenes(own))),
        "" => Err(format!(
            "{name} has no ending that says what it is; expected a picture, .parquet, .jsonl or .json"
        )),
        other => Err(format!(
            "{name}: .{other} files are not read; expected a picture (png, jpg, webp, bmp, tif, gif), .parquet, .jsonl, .json, \
             .ply or .safetensors"
        )),
    }
}

fn folder(path: &Path) -> Result<Show, String> {
    let has = |file: &str| path.join(file).exists();
    let own = path.to_owned();
    if has("run.json") {
        Ok(Show::Run(own))
    } else if has("train.toml") || has("metrics.jsonl") || has("checkpoints") {
        Ok(Show::Training(own))
    } else if has("adapter_config.json") {
        described(&path.join("adapter_config.json")).map(|()| Show::Adapter(own))
    } else if has("config.json") {
        described(&path.join("config.json")).map(|()| Show::Model(own))
    } else if has("scenes") || has("clouds") || has("scene.json") {
        Ok(Show::Scenes(own))
    } else if find_frames(path, DepthFormat::Plain).is_ok_and(|frames| !frames.is_empty()) {
        Ok(Show::Lift(LiftSource::Frames { path: own, limit: None }))
    } else if lifted_below(path) {
        Ok(Show::Scenes(own))
    } else {
        Err(format!(
            "{} is no folder of a run, a training, an adapter, a model, scenes, or colour and depth: it has none of run.json, \
             train.toml, adapter_config.json, config.json, scenes, depth",
            path.display()
        ))
    }
}

/// Whether a folder in it has a lifted scene: `plumbline lift` makes one for each frame.
fn lifted_below(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.path().join("scene.json").exists()))
    })
}

/// The folder of the scene whose cloud this is.
fn scene_of(cloud: &Path) -> Option<Show> {
    let folder = cloud.parent()?;
    if folder.join("scene.json").exists() {
        return Some(Show::Scenes(folder.to_owned()));
    }
    let above = folder.parent()?;
    (folder.file_name()? == "clouds" && above.join("scenes").is_dir()).then(|| Show::Scenes(above.to_owned()))
}

/// # Errors
/// A sentence, where the description of a model or adapter is none.
fn described(path: &Path) -> Result<(), String> {
    let name = path.display();
    let length = std::fs::metadata(path).map_err(|e| format!("{name} cannot be read: {e}"))?.len();
    if length > MOST_JSON {
        return Err(format!("{name} has {length} bytes, too many for a description of a model or adapter"));
    }
    let bytes = std::fs::read(path).map_err(|e| format!("{name} cannot be read: {e}"))?;
    match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(format!("{name} is no description of a model or adapter: it holds no JSON object")),
        Err(error) => Err(format!("{name} is no JSON: {error}")),
    }
}

fn ending(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}

fn is_picture(path: &Path) -> bool {
    PICTURES.contains(&ending(path).as_str())
}

/// Depth by its name or ending.
fn is_named_depth(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let ending = ending(path);
    DEPTHS.contains(&ending.as_str())
        || (is_picture(path) && (stem == "depth" || stem.ends_with("_depth") || stem.starts_with("depth_")))
}

/// Depth by its name, or by its content: 16 bits of grey.
fn is_depth(path: &Path) -> bool {
    is_named_depth(path) || (ending(path) == "png" && is_grey_16(path))
}

/// By the head of a PNG (W3C PNG, 11.2.1): bit depth and colour type stand after the sizes.
fn is_grey_16(path: &Path) -> bool {
    let mut head = [0; 26];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head.starts_with(b"\x89PNG\r\n\x1a\n") && head[24] == 16 && head[25] == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: PathBuf, bytes: &[u8]) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn colour_and_depth_dropped_together_are_lifted_in_either_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let colour = put(at("a.jpg"), b"x");
        let mut grey = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x04\0\0\0\x04".to_vec();
        grey.extend([16, 0, 0, 0, 0]);
        for depth in [put(at("a_depth.png"), b"x"), put(at("a.npy"), b"x"), put(at("other.png"), &grey)] {
            let source = LiftSource::Pair { color: colour.clone(), depth: depth.clone() };
            for paths in [[colour.clone(), depth.clone()], [depth.clone(), colour.clone()]] {
                assert_eq!(kinds(&paths), [Ok(Show::Lift(source.clone()))]);
            }
        }
        let other = put(at("b.jpg"), b"x");
        assert_eq!(
            kinds(&[colour.clone(), other.clone()]),
            [Ok(Show::Picture(colour)), Ok(Show::Picture(other))]
        );
        assert!(kind(&at("a.npy")).unwrap_err().contains("colour picture"));
    }

    #[test]
    fn a_part_of_something_opens_the_whole() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        assert_eq!(kind(&put(at("run/run.json"), b"{}")), Ok(Show::Run(at("run"))));
        assert_eq!(kind(&put(at("t/train.toml"), b"")), Ok(Show::Training(at("t"))));
        put(at("m/config.json"), b"{}");
        assert_eq!(kind(&put(at("m/model.safetensors"), b"")), Ok(Show::Model(at("m"))));
        put(at("s/scenes/0.json"), b"{}");
        assert_eq!(kind(&put(at("s/clouds/0.ply"), b"")), Ok(Show::Scenes(at("s"))));
        put(at("l/scene.json"), b"{}");
        assert_eq!(kind(&put(at("l/cloud.ply"), b"")), Ok(Show::Scenes(at("l"))));
        assert_eq!(kind(&put(at("cloud.ply"), b"")), Ok(Show::Scenes(at("cloud.ply"))));
        put(at("frames/color/0.png"), b"");
        put(at("frames/depth/0.png"), b"");
        assert!(matches!(kind(&at("frames")), Ok(Show::Lift(LiftSource::Frames { .. }))));
        let broken = kind(&put(at("b/adapter_config.json"), b"{")).unwrap_err();
        assert!(broken.contains("adapter_config.json is no JSON"), "{broken}");
    }
}
