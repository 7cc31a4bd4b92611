//! What stands beside a scene's file.

use std::fs;
use std::path::{Path, PathBuf};

use plumb_geometry::ZDepth;
use plumb_image::{Limits, RgbImage};
use plumb_scene::export::read_ply;
use plumb_scene::labels::instance_png;
use plumb_scene::rgbd::{DepthOptions, read_depth};
use plumb_scene::{ColouredCloud, Instances, Scene};

use crate::files::io;
use crate::{PipelineError, Result};

/// The file that [`crate::lift`] writes, one to a folder.
const LIFTED: &str = "scene.json";
/// 100 million points of 29 bytes, and a header.
const MOST_PLY: u64 = 3 << 30;
/// Object numbers of 50 million pixels.
const MOST_MASKS: u64 = 128 << 20;

/// The files of one scene, in the layout of [`crate::lift`] (a folder for itself) or of [`crate::scenes`] (a folder for each sort of file). Any of
/// them but the record may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenePlace {
    /// The record.
    pub scene: PathBuf,
    /// `000012` for `scenes/000012.json`; a lifted frame's folder has its name.
    pub name: String,
    /// Whether the scene has a folder for itself.
    pub own_folder: bool,
    pub cloud: PathBuf,
    /// Lifted scenes have none.
    pub depth: Option<PathBuf>,
    pub masks: PathBuf,
}

impl ScenePlace {
    /// The place of a scene's file, as [`crate::find_scenes`] finds it.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new(""));
        let own_folder = file.file_name().is_some_and(|name| name == LIFTED);
        let name = if own_folder { folder.file_name() } else { file.file_stem() };
        let name = name.unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        if own_folder {
            return Self::lifted(folder, name);
        }
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let place = Self::rendered(folder.parent().unwrap_or(Path::new("")), &stem);
        Self { scene: file.to_owned(), name, ..place }
    }

    fn lifted(folder: &Path, name: String) -> Self {
        Self {
            scene: folder.join(LIFTED),
            name,
            own_folder: true,
            cloud: folder.join("cloud.ply"),
            depth: None,
            masks: folder.join("masks.png"),
        }
    }

    fn rendered(folder: &Path, name: &str) -> Self {
        Self {
            scene: folder.join("scenes").join(format!("{name}.json")),
            name: name.to_owned(),
            own_folder: false,
            cloud: folder.join("clouds").join(format!("{name}.ply")),
            depth: Some(folder.join("depth").join(format!("{name}.png"))),
            masks: folder.join("masks").join(format!("{name}.png")),
        }
    }

    /// The same layout in another folder.
    #[must_use]
    pub fn within(&self, folder: &Path) -> Self {
        if self.own_folder {
            Self::lifted(&folder.join(&self.name), self.name.clone())
        } else {
            Self::rendered(folder, &self.name)
        }
    }

    /// Where the picture of the scene lies.
    #[must_use]
    pub fn picture(&self, scene: &Scene) -> PathBuf {
        self.scene.with_file_name("").join(&scene.image.path)
    }

    /// # Errors
    /// When there is no picture, or one of another size than the scene says.
    pub fn read_picture(&self, scene: &Scene) -> Result<RgbImage> {
        let path = self.picture(scene);
        check_file(&path)?;
        let image = plumb_image::read(&path, &Limits::default())?;
        let (found, expected) = (image.size(), (scene.image.width, scene.image.height));
        if found == expected {
            return Ok(image);
        }
        let detail = format!(
            "it has {}x{} pixels, but {} is of a picture of {}x{}",
            found.0,
            found.1,
            self.scene.display(),
            expected.0,
            expected.1
        );
        Err(unusable(&path, detail))
    }

    /// The stored cloud; `None` where there is none.
    ///
    /// # Errors
    /// A file that is there and cannot be used.
    pub fn read_cloud(&self) -> Result<Option<ColouredCloud>> {
        let Some(bytes) = read_bytes(&self.cloud, MOST_PLY)? else { return Ok(None) };
        Ok(Some(read_ply(&bytes, &self.cloud.display().to_string())?))
    }

    /// The depth of every pixel; `None` where there is none.
    ///
    /// # Errors
    /// As [`Self::read_cloud`].
    pub fn read_depth(&self) -> Result<Option<ZDepth>> {
        let Some(path) = self.depth.as_ref().filter(|path| path.exists()) else { return Ok(None) };
        check_file(path)?;
        Ok(Some(ZDepth(read_depth(path, &DepthOptions::default())?.depth)))
    }

    /// The masks, of a picture of this size; `None` where there are none.
    ///
    /// # Errors
    /// As [`Self::read_cloud`], and masks of another size.
    pub fn read_masks(&self, (width, height): (u32, u32)) -> Result<Option<Instances>> {
        let Some(bytes) = read_bytes(&self.masks, MOST_MASKS)? else { return Ok(None) };
        let found = instance_png(&bytes, &self.masks.display().to_string(), None)?;
        if (found.width(), found.height()) == (width, height) {
            return Ok(Some(found));
        }
        let detail =
            format!("{}x{} pixels, but the picture has {width}x{height}", found.width(), found.height());
        Err(unusable(&self.masks, detail))
    }
}

pub(crate) fn unusable(path: &Path, detail: String) -> PipelineError {
    PipelineError::Unusable { what: path.display().to_string(), detail }
}

/// # Errors
/// What is not there, and what is no file: a pipe would never end.
fn check_file(path: &Path) -> Result<fs::Metadata> {
    let meta = fs::metadata(path).map_err(io(path))?;
    if meta.is_file() { Ok(meta) } else { Err(unusable(path, "it is not a file".to_owned())) }
}

/// The bytes of a file of at most `most`; `None` where there is none.
fn read_bytes(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let meta = match check_file(path) {
        Err(PipelineError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        other => other?,
    };
    if meta.len() > most {
        return Err(unusable(path, format!("{} bytes, more than the {most} that are allowed", meta.len())));
    }
    fs::read(path).map(Some).map_err(io(path))
}
