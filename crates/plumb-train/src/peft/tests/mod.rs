//! Tests of adapter files as a whole.

mod fixtures;
mod oracle;
mod reject;
mod round_trip;

use super::{ModuleInfo, ModuleKind};

fn module(path: &str, kind: ModuleKind, input: usize, output: usize, bias: bool) -> ModuleInfo {
    ModuleInfo { path: path.to_owned(), kind, input, output, bias }
}

/// A small SmolVLM: text 8 wide with `layers` layers, vision 6 wide with one.
fn small_model(layers: usize) -> Vec<ModuleInfo> {
    use ModuleKind::{Embedding, Linear, Norm};
    let mut modules = vec![module("model.text_model.embed_tokens", Embedding, 20, 8, false)];
    for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
        modules.push(module(
            &format!("model.vision_model.encoder.layers.0.self_attn.{name}"),
            Linear,
            6,
            6,
            true,
        ));
    }
    modules.push(module("model.connector.modality_projection.proj", Linear, 24, 8, false));
    for layer in 0..layers {
        let path = |name: &str| format!("model.text_model.layers.{layer}.{name}");
        for (name, input, output) in [
            ("self_attn.q_proj", 8, 8),
            ("self_attn.k_proj", 8, 4),
            ("self_attn.v_proj", 8, 4),
            ("self_attn.o_proj", 8, 8),
            ("mlp.gate_proj", 8, 10),
            ("mlp.up_proj", 8, 10),
            ("mlp.down_proj", 10, 8),
        ] {
            modules.push(module(&path(name), Linear, input, output, false));
        }
        modules.push(module(&path("input_layernorm"), Norm, 8, 8, false));
    }
    modules.push(module("lm_head", Linear, 8, 20, false));
    modules
}
