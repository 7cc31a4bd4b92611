//! An adapter as its files hold it: config and tensors.

use std::collections::BTreeMap;

use crate::host::{FileDtype, TensorFile, TensorMap, read_tensors, write_tensors};

use super::config::{AdapterConfig, CONFIG_FILE};
use super::error::{AdapterError, Result, some_names};

/// PEFT's tensor file.
pub const PEFT_TENSORS: &str = "adapter_model.safetensors";
/// AdapterHub's tensor file.
pub const HUB_TENSORS: &str = "adapter.safetensors";
const PEFT_PICKLE: &str = "adapter_model.bin";
const HUB_PICKLE: &str = "pytorch_adapter.bin";
/// Largest config read; real ones have a few kilobytes.
const MAX_CONFIG: usize = 4 << 20;

/// A trained adapter: what it is, where it attaches, and its tensors under the names of its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    pub config: AdapterConfig,
    /// Keys as PEFT or AdapterHub writes them; PEFT's in-memory adapter name (`.default.`) is gone.
    pub tensors: TensorMap,
    /// Config fields that mean nothing to this reader. PEFT warns about such fields.
    pub ignored: Vec<String>,
    /// Metadata of the tensor file.
    pub metadata: BTreeMap<String, String>,
}

impl AdapterConfig {
    /// Name of the tensor file that belongs to this config.
    #[must_use]
    pub fn tensor_file(&self) -> &'static str {
        if matches!(self, Self::Bottleneck(_)) { HUB_TENSORS } else { PEFT_TENSORS }
    }
}

impl Adapter {
    /// Reads an adapter from the files of its folder, by name. Names that play no part are ignored.
    ///
    /// # Errors
    /// A missing file, pickled tensors, a config that is wrong or not supported, a damaged tensor file. Whether keys
    /// and shapes fit a model is [`Adapter::check`]'s question.
    pub fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let missing = |expected: &str| AdapterError::MissingFile {
            place: "the adapter".to_owned(),
            expected: expected.to_owned(),
            found: some_names(files.keys()),
        };
        let text = files.get(CONFIG_FILE).ok_or_else(|| missing(CONFIG_FILE))?;
        if text.len() > MAX_CONFIG {
            let reason = format!("it has {} bytes; expected at most {MAX_CONFIG}", text.len());
            return Err(AdapterError::Json { file: CONFIG_FILE.to_owned(), reason });
        }
        let (config, ignored) = AdapterConfig::read(CONFIG_FILE, text)?;
        let name = config.tensor_file();
        let Some(bytes) = files.get(name) else {
            let pickle = if name == HUB_TENSORS { HUB_PICKLE } else { PEFT_PICKLE };
            if files.contains_key(pickle) {
                return Err(AdapterError::Pickle { file: pickle.to_owned() });
            }
            return Err(missing(name));
        };
        let TensorFile { tensors, metadata } = read_tensors(name, bytes)?;
        let tensors = if name == PEFT_TENSORS { without_adapter_name(name, tensors)? } else { tensors };
        Ok(Self { config, tensors, ignored, metadata })
    }

    /// The files of the adapter's folder: config and tensors, nothing else. The same adapter gives the same bytes.
    ///
    /// # Errors
    /// A tensor with a value that is not finite or that `dtype` cannot hold.
    pub fn to_files(&self, dtype: FileDtype) -> Result<BTreeMap<String, Vec<u8>>> {
        let name = self.config.tensor_file();
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        let content = TensorFile { tensors: self.tensors.clone(), metadata };
        let tensors = write_tensors(name, &content, dtype)?;
        let config = self.config.to_text().into_bytes();
        Ok([(CONFIG_FILE.to_owned(), config), (name.to_owned(), tensors)].into())
    }
}

/// PEFT's keys in memory carry the adapter's name (`lora_A.default.weight`), its files do not; some tools write the
/// former.
fn without_adapter_name(file: &str, tensors: TensorMap) -> Result<TensorMap> {
    let mut result = TensorMap::new();
    for (key, tensor) in tensors {
        let plain = plain_key(&key);
        if result.insert(plain.clone(), tensor).is_some() {
            return Err(AdapterError::Duplicate { file: file.to_owned(), tensor: plain });
        }
    }
    Ok(result)
}

fn plain_key(key: &str) -> String {
    let mut plain = key.replace(".modules_to_save.default.", ".");
    for role in ["lora_A", "lora_B", "lora_magnitude_vector", "ia3_l"] {
        plain = plain.replace(&format!(".{role}.default.weight"), &format!(".{role}.weight"));
        if let Some(head) = plain.strip_suffix(&format!(".{role}.default")) {
            plain = format!("{head}.{role}");
        }
    }
    // In memory the magnitude is a module with a weight, in the file it is bare.
    match plain.strip_suffix(".lora_magnitude_vector.weight") {
        Some(head) => format!("{head}.lora_magnitude_vector"),
        None => plain,
    }
}
