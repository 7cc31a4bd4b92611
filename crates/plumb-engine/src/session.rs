//! A loaded model, ready for questions.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Tensor;
use plumb_image::{Limits, RgbImage};
use plumb_train::method;
use plumb_train::peft::Adapter;
use plumb_train::run::{CONFIG_FILE, RESULT_FOLDER};
use plumb_vlm::chat::Message;
use plumb_vlm::{ModelFiles, Prefix, Processor, Prompt, SmolVlm};

use crate::demo::{self, Pack};
use crate::device::{self, OpenDevice};
use crate::error::{EngineError, Result};
use crate::fetch;
use crate::fingerprint::{Fingerprint, hash_adapter, hash_model};
use crate::job::Reporter;
use crate::protocol::{AskSeconds, EventKind, ModelRequest};

/// Image features that are kept: asking again about an image skips the vision tower.
const KEPT_FEATURES: usize = 8;

/// A model with its processor on a device.
pub struct Session {
    pub(crate) request: ModelRequest,
    pub(crate) model: SmolVlm,
    pub(crate) processor: Processor,
    pub(crate) device: OpenDevice,
    pub(crate) folder: PathBuf,
    /// Seconds from files to a ready model.
    pub(crate) load_secs: f64,
    hash: Option<String>,
    adapter_hash: Option<String>,
    features: VecDeque<(String, Tensor<2>)>,
}

impl Session {
    /// Finds the model (downloading it if it is a hub id that is not here yet), opens the device, loads the weights.
    ///
    /// # Errors
    /// Whatever keeps the model from running, in a sentence.
    pub async fn open(request: &ModelRequest, reporter: &Reporter) -> Result<Self> {
        let folder = fetch::obtain(&request.model, reporter)?;
        let device = device::open(request.device).await?;
        reporter.note(format!("device: {} ({})", device.name, device.why));
        let start = Instant::now();
        let mut files = ModelFiles::from_folder(&folder)?;
        // Everything small is checked before the weights are read.
        let config = plumb_vlm::ModelConfig::from_json(files.require("config.json")?)?;
        let processor = Processor::load(&files, &config, request.longest_edge)?;
        reporter.progress("loading weights", 0, 1, None);
        let adapter = request.adapter.as_deref().map(read_adapter).transpose()?;
        let mut model = SmolVlm::load(&mut files, &device.device, request.precision).await?;
        reporter.progress("loading weights", 1, 1, None);
        let mut adapter_hash = None;
        if let Some((place, adapter)) = adapter {
            let tensors = method::attach(&mut model, &adapter)?.len();
            adapter_hash = Some(hash_adapter(&place, adapter.config.tensor_file())?);
            reporter.note(format!("adapter: {} ({tensors} tensors)", place.display()));
        }
        let load_secs = start.elapsed().as_secs_f64();
        reporter.note(format!(
            "model: {} parameters, weights in {}, loaded in {load_secs:.1} s",
            model.num_params(),
            model.precision()
        ));
        Ok(Self {
            request: request.clone(),
            model,
            processor,
            device,
            folder,
            load_secs,
            hash: None,
            adapter_hash,
            features: VecDeque::new(),
        })
    }

    /// What results of this session depend on.
    ///
    /// # Errors
    /// When the model's files cannot be read again.
    pub fn fingerprint(&mut self) -> Result<Fingerprint> {
        let hash = match &self.hash {
            Some(hash) => hash.clone(),
            None => self.hash.insert(hash_model(&self.folder)?).clone(),
        };
        let config = self.processor.images().config();
        Ok(Fingerprint {
            model: self.request.model.clone(),
            model_sha256: hash,
            adapter: self.request.adapter.as_ref().map(|path| path.display().to_string()),
            adapter_sha256: self.adapter_hash.clone(),
            dtype: self.model.precision().name().to_owned(),
            backend: self.device.backend.to_owned(),
            device: self.device.name.clone(),
            longest_edge: config.size.longest(),
            image_pipeline: format!(
                "{:?}, tile {}, split {}",
                config.resample, config.longest_edge_of_tile, config.do_image_splitting
            ),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// The prompt of one user's turn: the image first where there is one, then `text`; the answer begun with `prefill`.
    ///
    /// # Errors
    /// A text with an image marker, a prompt too long.
    pub fn prompt(&self, text: &str, image: Option<&RgbImage>, prefill: Option<&str>) -> Result<Prompt> {
        let message = Message::user(usize::from(image.is_some()), text);
        let images: Vec<RgbImage> = image.into_iter().cloned().collect();
        Ok(self.processor.prompt(&[message], &images, prefill)?)
    }

    /// The pixel values of `prompt`'s frames, `[frames, 3, side, side]`, with the number of frames and the side.
    #[must_use]
    pub fn pixels(&self, prompt: &Prompt) -> (Vec<f32>, usize, usize) {
        let frames = prompt.images.iter().map(|t| t.frames.len()).sum();
        let side = prompt.images.first().and_then(|t| t.frames.first()).map_or(0, |f| f.width() as usize);
        let pixels =
            prompt.images.iter().flat_map(|tiles| self.processor.images().normalise(tiles)).collect();
        (pixels, frames, side)
    }

    /// Image features of `prompt`, from those kept where `key` is known.
    ///
    /// # Errors
    /// Frames that do not fit the model.
    pub fn features(&mut self, prompt: &Prompt, key: Option<&str>) -> Result<Option<Tensor<2>>> {
        if prompt.images.is_empty() {
            return Ok(None);
        }
        if let Some(key) = key
            && let Some((_, features)) = self.features.iter().find(|(k, _)| k == key)
        {
            return Ok(Some(features.clone()));
        }
        let (pixels, frames, side) = self.pixels(prompt);
        let features = self.model.image_features(&pixels, frames, side, side)?;
        if let Some(key) = key {
            if self.features.len() == KEPT_FEATURES {
                self.features.pop_front();
            }
            self.features.push_back((key.to_owned(), features.clone()));
        }
        Ok(Some(features))
    }

    /// Runs `prompt` up to its last token.
    ///
    /// # Errors
    /// Whatever the model or the device refuses.
    pub async fn prefix(
        &mut self,
        prompt: &Prompt,
        key: Option<&str>,
        room: usize,
        seconds: &mut AskSeconds,
    ) -> Result<Prefix> {
        let start = Instant::now();
        let features = self.features(prompt, key)?;
        seconds.vision = start.elapsed().as_secs_f64();
        let embeddings = self.model.embed(&prompt.ids, features.as_ref())?;
        let prefix = Prefix::new(&self.model, embeddings, room).await?;
        seconds.prompt = start.elapsed().as_secs_f64() - seconds.vision;
        Ok(prefix)
    }
}

/// The adapter in `folder`, or the one that the run in `folder` made, and where it lies.
fn read_adapter(folder: &Path) -> Result<(PathBuf, Adapter)> {
    const CONFIG: &str = "adapter_config.json";
    let folder = demo::or(folder, Pack::adapter)?;
    let result = folder.join(RESULT_FOLDER);
    let place = if !folder.join(CONFIG).exists() && result.is_dir() { result } else { folder };
    if !place.join(CONFIG).exists() && place.join(CONFIG_FILE).exists() {
        return Err(EngineError::Request(format!(
            "the training run in {} has made no adapter yet; go on with it until its last step",
            place.display()
        )));
    }
    if !place.join(CONFIG).exists() && place.join("config.json").exists() {
        return Err(EngineError::Request(format!(
            "{} holds a whole model and no adapter; name it as the model",
            place.display()
        )));
    }
    let adapter = Adapter::read_folder(&place).map_err(plumb_train::TrainError::from)?;
    Ok((place, adapter))
}

/// Reads an image file.
///
/// # Errors
/// Naming the file.
pub(crate) fn read_image(path: &Path) -> Result<RgbImage> {
    Ok(plumb_image::read(path, &Limits::default()).map_err(plumb_vlm::VlmError::from)?)
}

/// The text of a prompt with each run of image tokens folded to one marker and its count.
pub(crate) fn folded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<image>") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut count = 0;
        while let Some(next) = rest.strip_prefix("<image>") {
            rest = next;
            count += 1;
        }
        out.push_str(&format!("<image×{count}>"));
    }
    out.push_str(rest);
    out
}

impl Reporter {
    pub(crate) fn note(&self, text: String) {
        self.send(EventKind::Note { text });
    }

    pub(crate) fn progress(&self, stage: &str, done: u64, total: u64, eta_secs: Option<f64>) {
        self.send(EventKind::Progress { stage: stage.to_owned(), done, total, eta_secs });
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn image_tokens_fold() {
        assert_eq!(super::folded("a<image><image>b<image>"), "a<image×2>b<image×1>");
        assert_eq!(super::folded("none"), "none");
    }
}
