//! What a dropped or chosen file is, by its name and place; the engine says what is wrong with its content.

use std::path::Path;

use crate::cx::Show;

/// Where `path` is shown, or a sentence about why nowhere.
pub(crate) fn kind(path: &Path) -> Result<Show, String> {
    let name = path.display();
    if !path.exists() {
        return Err(format!("{name} is not there"));
    }
    let own = path.to_owned();
    if path.is_dir() {
        let has = |file: &str| path.join(file).exists();
        return if has("run.json") {
            Ok(Show::Run(own))
        } else if has("metrics.jsonl") || has("checkpoints") {
            Ok(Show::Training(own))
        } else if has("adapter_config.json") {
            Ok(Show::Adapter(own))
        } else if has("config.json") {
            Ok(Show::Model(own))
        } else if has("scenes") || has("clouds") || has("scene.json") || has_lifted(path) {
            Ok(Show::Scenes(own))
        } else {
            Err(format!(
                "{name} is no folder of a run, a training, an adapter, a model or scenes: it has none of run.json, \
                 metrics.jsonl, adapter_config.json, config.json, scenes"
            ))
        };
    }
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "png" | "jpg" | "jpeg" | "webp" | "bmp" | "tif" | "tiff" | "gif" => Ok(Show::Picture(own)),
        "parquet" => Ok(Show::Bench(own)),
        "jsonl" | "json" => Ok(Show::Data(own)),
        "safetensors" => match path.parent() {
            Some(folder) if folder.join("adapter_config.json").exists() => {
                Ok(Show::Adapter(folder.to_owned()))
            }
            Some(folder) if folder.join("config.json").exists() => Ok(Show::Model(folder.to_owned())),
            _ => Err(format!(
                "{name} has no config.json or adapter_config.json beside it, which say what it is"
            )),
        },
        "ply" => Err(format!(
            "{name}: a cloud is shown as part of a scene; open the folder that `plumbline lift` wrote"
        )),
        "" => Err(format!(
            "{name} has no ending that says what it is; expected a picture, .parquet, .jsonl or .json"
        )),
        other => Err(format!(
            "{name}: .{other} files are not read; expected a picture (png, jpg, webp, bmp, tif, gif), .parquet, .jsonl, .json or \
             .safetensors"
        )),
    }
}

/// Whether one of the folders in `path` is of a lifted scene.
fn has_lifted(path: &Path) -> bool {
    /// Frames have a folder each: the first of them tell.
    const LOOKED_AT: usize = 64;
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    entries.take(LOOKED_AT).flatten().any(|entry| entry.path().join("scene.json").is_file())
}
