//! Names in the folder of checkpoints.

/// What an entry of the folder is by its name.
pub(super) enum Named {
    Step(u64),
    BadStep,
    /// Unfinished or given up: may go at any time.
    Leftover,
    /// The earlier checkpoint of a step that was being saved again.
    Replaced(u64),
    Foreign,
}

pub(super) fn named(name: &str) -> Named {
    if let Some(digits) = name.strip_prefix("step-") {
        return digits
            .parse()
            .ok()
            .filter(|step| step_name(*step) == name)
            .map_or(Named::BadStep, Named::Step);
    }
    let hidden = |prefix: &str| {
        let (step, owner) = name.strip_prefix(prefix)?.split_once('-')?;
        owner.parse::<u32>().ok()?;
        step.parse::<u64>().ok()
    };
    if hidden(".staging-").is_some() || hidden(".trash-").is_some() {
        Named::Leftover
    } else {
        hidden(".replaced-").map_or(Named::Foreign, Named::Replaced)
    }
}

pub(super) fn step_name(step: u64) -> String {
    format!("step-{step:08}")
}

fn owner() -> u32 {
    // A browser has no process numbers, and no second writer either.
    if cfg!(target_family = "wasm") { 0 } else { std::process::id() }
}

/// Name of a folder that no other process uses.
pub(super) fn hidden_name(what: &str, step: u64) -> String {
    format!(".{what}-{step}-{}", owner())
}
