//! `config.json` of the Idefics3 / SmolVLM family.
//!
//! Missing keys take the defaults of the classes that wrote them (transformers 5.23,
//! `huggingface/transformers:src/transformers/models/{smolvlm,idefics3,llama}/configuration_*.py`): published files
//! rely on them. Every size is checked before anything is allocated.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Result, VlmError};

/// The vision tower: a SigLIP-style encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct VisionConfig {
    /// Hidden size `d`.
    pub hidden: usize,
    /// MLP size.
    pub intermediate: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Input channels.
    pub channels: usize,
    /// Image side in pixels that the position table was made for.
    pub image_size: usize,
    /// Patch side in pixels.
    pub patch: usize,
    /// ε of the layer norms.
    pub eps: f64,
}

impl VisionConfig {
    /// Patches along one side of the position table.
    #[must_use]
    pub fn side(&self) -> usize {
        self.image_size / self.patch
    }
}

/// The language model: a Llama decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct TextConfig {
    /// Hidden size `h`.
    pub hidden: usize,
    /// MLP size.
    pub intermediate: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Features per head.
    pub head_dim: usize,
    /// Rows of the embedding and the output head.
    pub vocab: usize,
    /// ε of the norms.
    pub eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Positions that the model was made for.
    pub max_positions: usize,
}

/// A whole model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// `idefics3` or `smolvlm`.
    pub model_type: String,
    /// The vision tower.
    pub vision: VisionConfig,
    /// The language model.
    pub text: TextConfig,
    /// Side of the square of patches that the pixel shuffle merges into one token.
    pub scale_factor: usize,
    /// The id that stands for one image token in a prompt.
    pub image_token_id: u32,
    /// Whether the output head is the embedding.
    pub tied: bool,
}

#[derive(Deserialize)]
struct Raw {
    model_type: Option<String>,
    vision_config: Option<Value>,
    text_config: Option<Value>,
    scale_factor: Option<Value>,
    image_token_id: Option<Value>,
    tie_word_embeddings: Option<bool>,
}

/// Reads numbers out of one section with names for messages and bounds against absurd sizes.
struct Section<'a> {
    name: &'static str,
    value: &'a Value,
}

impl Section<'_> {
    fn error(&self, key: &str, expected: &str, found: &Value) -> VlmError {
        let field = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        VlmError::Field { file: "config.json", field, expected: expected.into(), found: found.to_string() }
    }

    fn present(&self, key: &str) -> Option<&Value> {
        self.value.get(key).filter(|v| !v.is_null())
    }

    fn size(&self, key: &str, default: usize, max: usize) -> Result<usize> {
        let Some(value) = self.present(key) else {
            return Ok(default);
        };
        match value.as_u64().and_then(|v| usize::try_from(v).ok()) {
            Some(v) if (1..=max).contains(&v) => Ok(v),
            _ => Err(self.error(key, &format!("a whole number from 1 to {max}"), value)),
        }
    }

    fn positive(&self, key: &str, default: f64) -> Result<f64> {
        let Some(value) = self.present(key) else {
            return Ok(default);
        };
        match value.as_f64() {
            Some(v) if v.is_finite() && v > 0.0 => Ok(v),
            _ => Err(self.error(key, "a positive number", value)),
        }
    }

    fn one_of(&self, key: &str, allowed: &[&str]) -> Result<()> {
        match self.present(key) {
            Some(value) if !value.as_str().is_some_and(|v| allowed.contains(&v)) => {
                Err(self.error(key, &format!("one of {allowed:?}"), value))
            }
            _ => Ok(()),
        }
    }

    fn must_be_false(&self, key: &str) -> Result<()> {
        match self.present(key) {
            Some(value) if value.as_bool() != Some(false) => Err(self.error(key, "false", value)),
            _ => Ok(()),
        }
    }
}

impl ModelConfig {
    /// Parses and checks `config.json`.
    ///
    /// # Errors
    /// Malformed JSON, another architecture, sizes that do not fit together, features this model code has not.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let json = |source| VlmError::Json { file: "config.json".into(), source };
        let whole: Value = serde_json::from_slice(bytes).map_err(json)?;
        let raw: Raw = serde_json::from_value(whole.clone()).map_err(json)?;
        let top = Section { name: "", value: &whole };
        let model_type = raw.model_type.unwrap_or_default();
        if model_type != "idefics3" && model_type != "smolvlm" {
            let found = Value::from(model_type);
            return Err(top.error("model_type", "idefics3 or smolvlm", &found));
        }
        let empty = Value::Object(serde_json::Map::new());
        let vision = vision(raw.vision_config.as_ref().unwrap_or(&empty))?;
        let text = text(raw.text_config.as_ref().unwrap_or(&empty))?;
        let scale_factor = match raw.scale_factor {
            Some(_) => top.size("scale_factor", 2, 64)?,
            None => 2,
        };
        let image_token_id = match &raw.image_token_id {
            None => 128_257,
            Some(v) => v
                .as_u64()
                .and_then(|v| u32::try_from(v).ok())
                .ok_or_else(|| top.error("image_token_id", "a token id", v))?,
        };
        Ok(Self {
            model_type,
            vision,
            text,
            scale_factor,
            image_token_id,
            tied: raw.tie_word_embeddings.unwrap_or(false),
        })
    }

    /// Image tokens of one frame of `width × height` pixels, `None` where its patches do not divide evenly.
    #[must_use]
    pub fn tokens_per_frame(&self, height: usize, width: usize) -> Option<usize> {
        let (rows, cols) = (height / self.vision.patch, width / self.vision.patch);
        let s = self.scale_factor;
        (rows.is_multiple_of(s) && cols.is_multiple_of(s) && rows > 0 && cols > 0)
            .then(|| (rows / s) * (cols / s))
    }

    /// Every tensor of the checkpoint with its shape, in the order of the model.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (v, t) = (&self.vision, &self.text);
        let mut out = Vec::new();
        let mut add = |name: String, shape: &[usize]| out.push((name, shape.to_vec()));
        let d = v.hidden;
        let base = "model.vision_model";
        add(format!("{base}.embeddings.patch_embedding.weight"), &[d, v.channels, v.patch, v.patch]);
        add(format!("{base}.embeddings.patch_embedding.bias"), &[d]);
        add(format!("{base}.embeddings.position_embedding.weight"), &[v.side() * v.side(), d]);
        for i in 0..v.layers {
            let layer = format!("{base}.encoder.layers.{i}");
            for norm in ["layer_norm1", "layer_norm2"] {
                add(format!("{layer}.{norm}.weight"), &[d]);
                add(format!("{layer}.{norm}.bias"), &[d]);
            }
            for proj in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                add(format!("{layer}.self_attn.{proj}.weight"), &[d, d]);
                add(format!("{layer}.self_attn.{proj}.bias"), &[d]);
            }
            add(format!("{layer}.mlp.fc1.weight"), &[v.intermediate, d]);
            add(format!("{layer}.mlp.fc1.bias"), &[v.intermediate]);
            add(format!("{layer}.mlp.fc2.weight"), &[d, v.intermediate]);
            add(format!("{layer}.mlp.fc2.bias"), &[d]);
        }
        add(format!("{base}.post_layernorm.weight"), &[d]);
        add(format!("{base}.post_layernorm.bias"), &[d]);
        let h = t.hidden;
        let merged = d * self.scale_factor * self.scale_factor;
        add("model.connector.modality_projection.proj.weight".into(), &[h, merged]);
        add("model.text_model.embed_tokens.weight".into(), &[t.vocab, h]);
        for i in 0..t.layers {
            let layer = format!("model.text_model.layers.{i}");
            add(format!("{layer}.input_layernorm.weight"), &[h]);
            add(format!("{layer}.post_attention_layernorm.weight"), &[h]);
            add(format!("{layer}.self_attn.q_proj.weight"), &[t.heads * t.head_dim, h]);
            add(format!("{layer}.self_attn.k_proj.weight"), &[t.kv_heads * t.head_dim, h]);
            add(format!("{layer}.self_attn.v_proj.weight"), &[t.kv_heads * t.head_dim, h]);
            add(format!("{layer}.self_attn.o_proj.weight"), &[h, t.heads * t.head_dim]);
            add(format!("{layer}.mlp.gate_proj.weight"), &[t.intermediate, h]);
            add(format!("{layer}.mlp.up_proj.weight"), &[t.intermediate, h]);
            add(format!("{layer}.mlp.down_proj.weight"), &[h, t.intermediate]);
        }
        add("model.text_model.norm.weight".into(), &[h]);
        if !self.tied {
            add("lm_head.weight".into(), &[t.vocab, h]);
        }
        out
    }
}

fn vision(value: &Value) -> Result<VisionConfig> {
    let s = Section { name: "vision_config", value };
    s.one_of("hidden_act", &["gelu_pytorch_tanh"])?;
    let config = VisionConfig {
        hidden: s.size("hidden_size", 1152, 1 << 14)?,
        intermediate: s.size("intermediate_size", 3072, 1 << 16)?,
        layers: s.size("num_hidden_layers", 12, 512)?,
        heads: s.size("num_attention_heads", 16, 1 << 10)?,
        channels: s.size("num_channels", 3, 3)?,
        image_size: s.size("image_size", 224, 1 << 13)?,
        patch: s.size("patch_size", 32, 1 << 10)?,
        eps: s.positive("layer_norm_eps", 1e-6)?,
    };
    if config.channels != 3 {
        return Err(s.error("num_channels", "3", &Value::from(config.channels)));
    }
    if !config.hidden.is_multiple_of(config.heads) {
        let expected = format!("a divisor of hidden_size {}", config.hidden);
        return Err(s.error("num_attention_heads", &expected, &Value::from(config.heads)));
    }
    if config.side() == 0 {
        let expected = format!("at most image_size {}", config.image_size);
        return Err(s.error("patch_size", &expected, &Value::from(config.patch)));
    }
    Ok(config)
}

fn text(value: &Value) -> Result<TextConfig> {
    let s = Section { name: "text_config", value };
    s.one_of("model_type", &["llama"])?;
    s.one_of("hidden_act", &["silu"])?;
    for key in ["attention_bias", "mlp_bias", "rope_interleaved", "qk_layer_norms", "use_resampler"] {
        s.must_be_false(key)?;
    }
    if let Some(scaling) = s.present("rope_scaling") {
        return Err(s.error("rope_scaling", "null", scaling));
    }
    let rope_theta = match s.present("rope_parameters") {
        // Newer files keep the base within an object that also names the kind.
        Some(parameters) => {
            let p = Section { name: "text_config.rope_parameters", value: parameters };
            p.one_of("rope_type", &["default"])?;
            p.positive("rope_theta", 10_000.0)?
        }
        None => s.positive("rope_theta", 10_000.0)?,
    };
    let hidden = s.size("hidden_size", 4096, 1 << 15)?;
    let heads = s.size("num_attention_heads", 32, 1 << 10)?;
    let kv_heads = s.size("num_key_value_heads", heads, 1 << 10)?;
    if !heads.is_multiple_of(kv_heads) {
        let expected = format!("a divisor of num_attention_heads {heads}");
        return Err(s.error("num_key_value_heads", &expected, &Value::from(kv_heads)));
    }
    if s.present("head_dim").is_none() && !hidden.is_multiple_of(heads) {
        let expected = format!("a divisor of hidden_size {hidden}");
        return Err(s.error("num_attention_heads", &expected, &Value::from(heads)));
    }
    let head_dim = s.size("head_dim", (hidden / heads).max(1), 1 << 10)?;
    if !head_dim.is_multiple_of(2) {
        return Err(s.error("head_dim", "an even number (rotary halves)", &Value::from(head_dim)));
    }
    Ok(TextConfig {
        hidden,
        intermediate: s.size("intermediate_size", 11_008, 1 << 17)?,
        layers: s.size("num_hidden_layers", 32, 512)?,
        heads,
        kv_heads,
        head_dim,
        vocab: s.size("vocab_size", 32_000, 1 << 21)?,
        eps: s.positive("rms_norm_eps", 1e-6)?,
        rope_theta,
        max_positions: s.size("max_position_embeddings", 2048, 1 << 24)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The sizes of the published checkpoints (hidden, MLP, layers, heads, kv heads, vision …) in few keys.
    fn published(v: [usize; 7], t: [usize; 7]) -> ModelConfig {
        let [hidden, inter, layers, heads, image, patch, scale] = v;
        let [h, ff, n, q, kv, vocab, token] = t;
        let value = json!({"model_type": "smolvlm", "scale_factor": scale, "image_token_id": token,
            "vision_config": {"hidden_size": hidden, "intermediate_size": inter, "num_hidden_layers": layers,
                "num_attention_heads": heads, "image_size": image, "patch_size": patch},
            "text_config": {"hidden_size": h, "intermediate_size": ff, "num_hidden_layers": n,
                "num_attention_heads": q, "num_key_value_heads": kv, "vocab_size": vocab, "head_dim": 64}});
        ModelConfig::from_json(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn tensor_tables_have_the_published_counts() {
        let b16 = [768, 3072, 12, 12, 512, 16, 4];
        let so400m = [1152, 4304, 27, 16, 384, 14, 3];
        for (config, tensors, params) in [
            (published(b16, [576, 1536, 30, 9, 3, 49280, 49190]), 471, 256_484_928usize),
            (published(b16, [960, 2560, 32, 15, 5, 49280, 49190]), 489, 507_482_304),
            (published(so400m, [2048, 8192, 24, 32, 32, 49280, 49190]), 657, 2_246_784_880),
            (published(so400m, [2048, 8192, 24, 32, 32, 49155, 49153]), 657, 2_246_272_880),
        ] {
            let table = config.tensors();
            assert_eq!(table.len(), tensors);
            assert_eq!(table.iter().map(|(_, s)| s.iter().product::<usize>()).sum::<usize>(), params);
        }
    }

    #[test]
    fn missing_keys_take_the_class_defaults() {
        let config =
            ModelConfig::from_json(br#"{"model_type":"idefics3","text_config":{"hidden_size":64}}"#).unwrap();
        assert_eq!(config.vision.hidden, 1152);
        assert_eq!((config.vision.heads, config.vision.image_size, config.vision.patch), (16, 224, 32));
        assert_eq!((config.vision.layers, config.vision.intermediate), (12, 3072));
        assert_eq!((config.text.heads, config.text.kv_heads, config.text.head_dim), (32, 32, 2));
        assert_eq!((config.text.eps, config.text.rope_theta), (1e-6, 10_000.0));
        assert_eq!((config.scale_factor, config.image_token_id, config.tied), (1 + 1, 128_257, false));
    }

    #[test]
    fn wrong_configs_name_the_field() {
        let base = json!({"model_type": "smolvlm", "scale_factor": 4,
            "vision_config": {"hidden_size": 32, "image_size": 64, "patch_size": 16, "num_attention_heads": 4},
            "text_config": {"hidden_size": 64, "num_attention_heads": 4}});
        ModelConfig::from_json(base.to_string().as_bytes()).unwrap();
        for (pointer, value, field) in [
            ("/model_type", json!("llava"), "model_type"),
            ("/scale_factor", json!(0), "scale_factor"),
            ("/vision_config/hidden_size", json!(-1), "vision_config.hidden_size"),
            ("/vision_config/hidden_size", json!(1e30), "vision_config.hidden_size"),
            ("/vision_config/hidden_size", json!("768"), "vision_config.hidden_size"),
            ("/vision_config/num_attention_heads", json!(5), "num_attention_heads"),
            ("/vision_config/patch_size", json!(128), "patch_size"),
            ("/text_config/hidden_size", json!(66), "num_attention_heads"),
            ("/text_config/hidden_size", json!([]), "text_config.hidden_size"),
        ] {
            let mut config = base.clone();
            *config.pointer_mut(pointer).unwrap() = value;
            let error = ModelConfig::from_json(config.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(field) && error.contains("config.json"), "{error}");
        }
        for (key, value) in [
            ("num_key_value_heads", json!(3)),
            ("rope_scaling", json!({"factor": 2})),
            ("attention_bias", json!(true)),
            ("hidden_act", json!("relu")),
            ("rms_norm_eps", json!(0)),
            ("head_dim", json!(7)),
        ] {
            let mut config = base.clone();
            config["text_config"][key] = value;
            let error = ModelConfig::from_json(config.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        for broken in ["", "[]", "{", "null", "{\"model_type\": 3}"] {
            ModelConfig::from_json(broken.as_bytes()).unwrap_err();
        }
    }
}
