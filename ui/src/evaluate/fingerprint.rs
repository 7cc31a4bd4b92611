//! What the numbers of a run depend on.

use plumb_engine::Fingerprint;
use plumb_engine::look::RunSeen;

use super::{state, words};

/// In a line.
pub(super) fn short(print: &Fingerprint) -> String {
    let adapter = match &print.adapter_sha256 {
        Some(hash) => format!("adapter {}", words::short(hash)),
        None => "no adapter".to_owned(),
    };
    let (model, hash) = (words::last(&print.model), words::short(&print.model_sha256));
    format!("{model} {hash} · {adapter} · {} · {}", print.dtype, print.device)
}

/// All that the numbers depend on, a line each.
pub(super) fn whole(run: &RunSeen) -> String {
    let (m, f) = (&run.manifest, &run.manifest.fingerprint);
    let none = || "none".to_owned();
    let lines = [
        ("model", f.model.clone()),
        ("model sha256", f.model_sha256.clone()),
        ("adapter", f.adapter.clone().unwrap_or_else(none)),
        ("adapter sha256", f.adapter_sha256.clone().unwrap_or_else(none)),
        ("weights", f.dtype.clone()),
        ("device", format!("{} ({})", f.device, f.backend)),
        ("images", format!("longest edge {}, {}", f.longest_edge, f.image_pipeline)),
        ("pictures", state::image_name(m.image).to_owned()),
        ("prompt", state::preset_name(m.preset).to_owned()),
        ("scoring", format!("{}, {}", state::scoring_name(m.scoring), m.decoding)),
        ("parser", run.parser.id().to_owned()),
        ("benchmark", m.bench.display().to_string()),
        ("benchmark sha256", m.bench_sha256.clone()),
        ("seed", m.seed.to_string()),
        ("version", f.version.clone()),
    ];
    lines.iter().map(|(name, value)| format!("{name:<17}{value}")).collect::<Vec<_>>().join("\n")
}
