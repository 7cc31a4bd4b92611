//! Arguments of the commands that need no model.

use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use plumb_pipeline::lift::{LiftSource, NoiseKind, ObjectSource};
use plumb_pipeline::{LiftJob, PictureFormat, ScenesJob, SynthJob, VerifyJob};
use plumb_qa::{Kind, Locale, ReferenceMode};
use plumb_scene::procedural::World;
use plumb_scene::rgbd::DepthFormat;

#[derive(clap::Args)]
pub(crate) struct Scenes {
    /// How many
    #[arg(long, required_unless_present = "only")]
    pub(crate) count: Option<u64>,
    /// Scenes of these numbers alone, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "I,…", conflicts_with = "count")]
    pub(crate) only: Vec<u64>,
    /// Scene i depends on the seed and i alone
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder to write to
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Width and height in pixels
    #[arg(long, value_parser = size, default_value = "640x480", value_name = "WxH")]
    pub(crate) size: (u32, u32),
    /// room, street or table_top; by default each scene is one of them
    #[arg(long, value_parser = world)]
    pub(crate) world: Option<World>,
    /// Write PNG instead of JPEG of quality 92
    #[arg(long)]
    pub(crate) png: bool,
    /// Leave out the exact depth and masks (half of the disk space)
    #[arg(long)]
    pub(crate) no_truth: bool,
    /// Also write point clouds, each of N points at most
    #[arg(long, value_name = "N")]
    pub(crate) clouds: Option<usize>,
    #[arg(long)]
    pub(crate) json: bool,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parse = |part: &str| part.parse().map_err(|_| format!("`{text}` is no size such as 640x480"));
    let (width, height) =
        text.split_once('x').ok_or_else(|| format!("`{text}` is no size such as 640x480"))?;
    Ok((parse(width)?, parse(height)?))
}

fn world(text: &str) -> Result<World, String> {
    text.parse().map_err(|error: plumb_scene::SceneError| error.to_string())
}

impl Scenes {
    pub(crate) fn job(&self) -> ScenesJob {
        ScenesJob {
            count: self.count.unwrap_or(0),
            only: self.only.clone(),
            seed: self.seed,
            out: self.out.clone(),
            width: self.size.0,
            height: self.size.1,
            world: self.world,
            picture: if self.png { PictureFormat::Png } else { PictureFormat::Jpeg },
            truth: !self.no_truth,
            cloud_points: self.clouds,
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Lift {
    /// The colour image, or a folder of them
    #[arg(long, requires = "depth", required_unless_present = "frames")]
    pub(crate) color: Option<PathBuf>,
    /// Its depth (16-bit PNG or PGM, EXR, NPY, TIFF), or a folder of files with the same names
    #[arg(long, requires = "color")]
    pub(crate) depth: Option<PathBuf>,
    /// A folder in the layout of --format (TUM, ScanNet, SUN RGB-D, Redwood), or NYUv2's labelled .mat file
    #[arg(long, conflicts_with_all = ["color", "depth"])]
    pub(crate) frames: Option<PathBuf>,
    /// The first N frames only
    #[arg(long, requires = "frames", value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Pixels, with pixel centres at whole numbers, as data sets publish them; by default those of the format or folder
    #[arg(long, value_parser = intrinsics, value_name = "FX,FY,CX,CY", allow_hyphen_values = true)]
    pub(crate) intrinsics: Option<[f64; 4]>,
    /// Units of the depth file in a metre (millimetres: 1000); by default those of the format
    #[arg(long, value_name = "UNITS", allow_hyphen_values = true)]
    pub(crate) depth_scale: Option<f64>,
    /// tum, nyu, sun, scannet, redwood or plain
    #[arg(long)]
    pub(crate) format: Option<DepthFormat>,
    /// Depth is the distance along the ray, not along the optical axis
    #[arg(long)]
    pub(crate) ray: bool,
    /// How good the depth is; uncertainties follow from it
    #[arg(long, value_enum, default_value_t = Noise::Sensor)]
    pub(crate) noise: Noise,
    /// Objects from a PNG of object numbers (or a folder of them)
    #[arg(long, group = "objects")]
    pub(crate) masks: Option<PathBuf>,
    /// Names of the numbers: {"1": "chair", …}
    #[arg(long, requires = "masks")]
    pub(crate) names: Option<PathBuf>,
    /// Objects from a JSON list of boxes (or a folder of them): [{"name": "chair", "box": [x1, y1, x2, y2]}, …]
    #[arg(long, group = "objects")]
    pub(crate) boxes: Option<PathBuf>,
    /// Objects from a COCO annotation file
    #[arg(long, group = "objects")]
    pub(crate) coco: Option<PathBuf>,
    /// The folder to write to
    #[arg(long)]
    pub(crate) out: PathBuf,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Noise {
    /// A renderer's: no error at all
    Exact,
    /// A depth camera's
    Sensor,
    /// A network's
    Predicted,
}

fn intrinsics(text: &str) -> Result<[f64; 4], String> {
    let wrong = || format!("`{text}` is not four numbers fx,fy,cx,cy");
    let numbers: Vec<f64> =
        text.split(',').map(|part| part.trim().parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    numbers.try_into().map_err(|_| wrong())
}

impl Lift {
    pub(crate) fn job(&self) -> anyhow::Result<LiftJob> {
        let source = match (&self.color, &self.depth, &self.frames) {
            (Some(color), Some(depth), _) => LiftSource::Pair { color: color.clone(), depth: depth.clone() },
            (_, _, Some(path)) => LiftSource::Frames { path: path.clone(), limit: self.limit },
            _ => bail!("give --color and --depth, or --frames"),
        };
        let objects = if let Some(masks) = &self.masks {
            ObjectSource::Masks { masks: masks.clone(), names: self.names.clone() }
        } else if let Some(boxes) = &self.boxes {
            ObjectSource::Boxes(boxes.clone())
        } else if let Some(coco) = &self.coco {
            ObjectSource::Coco(coco.clone())
        } else {
            ObjectSource::Proposals
        };
        Ok(LiftJob {
            source,
            objects,
            intrinsics: self.intrinsics,
            depth_scale: self.depth_scale,
            format: self.format,
            ray: self.ray,
            noise: match self.noise {
                Noise::Exact => NoiseKind::Exact,
                Noise::Sensor => NoiseKind::Sensor,
                Noise::Predicted => NoiseKind::Predicted,
            },
            out: self.out.clone(),
        })
    }
}

#[derive(clap::Args)]
pub(crate) struct Synth {
    /// Scene files, or folders of them as `scenes` and `lift` write them
    #[arg(required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// The file to write; its name chooses the format: .parquet, .jsonl, .messages.jsonl, .json (LLaVA), .cvbench.parquet
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// parquet, jsonl, llava, messages or cvbench, whatever the name of the file
    #[arg(long)]
    pub(crate) format: Option<String>,
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Most pairs of an image
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) per_image: usize,
    /// Question types, separated by commas or spaces; by default all
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "TYPE")]
    pub(crate) types: Vec<Kind>,
    /// How objects are named: in words that mean one object only, by coloured boxes, or by region tokens
    #[arg(long, value_enum, default_value_t = References::Text)]
    pub(crate) references: References,
    /// us (meters, feet) or uk (metres)
    #[arg(long, value_enum, default_value_t = Words::Us)]
    pub(crate) words: Words,
    /// Leave questions and answers out of the Parquet file; they are made again from its typed columns
    #[arg(long)]
    pub(crate) no_text: bool,
    /// Do not thin out answers that can be guessed from the nouns
    #[arg(long)]
    pub(crate) no_balance: bool,
    /// A folder of templates instead of the program's own (see docs/templates.md)
    #[arg(long)]
    pub(crate) templates: Option<PathBuf>,
    /// Pictures of benchmark rows as JPEG of this quality instead of PNG
    #[arg(long, value_name = "QUALITY", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) jpeg: Option<u8>,
    /// Ask which of two is closer only where the distances differ by this factor, for easier questions (at least 1.15)
    #[arg(long, value_name = "RATIO")]
    pub(crate) distance_ratio: Option<f64>,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum References {
    Text,
    Marked,
    Region,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Words {
    Us,
    Uk,
}

impl Synth {
    pub(crate) fn job(&self) -> SynthJob {
        SynthJob {
            inputs: self.inputs.clone(),
            out: self.out.clone(),
            format: self.format.clone(),
            seed: self.seed,
            per_image: self.per_image,
            kinds: self.types.clone(),
            references: match self.references {
                References::Text => ReferenceMode::Text,
                References::Marked => ReferenceMode::Marked,
                References::Region => ReferenceMode::Region,
            },
            locale: match self.words {
                Words::Us => Locale::Us,
                Words::Uk => Locale::Uk,
            },
            text: !self.no_text,
            balance: !self.no_balance,
            templates: self.templates.clone(),
            jpeg: self.jpeg,
            distance_ratio: self.distance_ratio,
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Verify {
    /// The data set, Parquet or JSONL
    pub(crate) file: PathBuf,
    /// The templates it was made with, where they are not the program's own
    #[arg(long)]
    pub(crate) templates: Option<PathBuf>,
    #[arg(long)]
    pub(crate) json: bool,
}

impl Verify {
    pub(crate) fn job(&self) -> VerifyJob {
        VerifyJob { file: self.file.clone(), templates: self.templates.clone() }
    }
}
