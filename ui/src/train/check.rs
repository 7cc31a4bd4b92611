//! What of a recipe cannot be used, said at its field before anything is read.

use plumb_train::config::{MethodConfig, Targets, TrainConfig};

use super::fields::Problems;
use super::form::Form;

/// What is wrong with the form.
pub(crate) fn check(form: &Form) -> Problems {
    let mut problems = Problems::default();
    crate::picker::check_model(&form.model, &mut problems);
    name(&form.name, &mut problems);
    let config = &form.config;
    data(config, &mut problems);
    method(&config.method, &mut problems);
    amounts(config, &mut problems);
    optimizer(config, &mut problems);
    losses(config, &mut problems);
    if problems.is_empty() {
        // What only the trainer knows.
        let mut run = config.clone();
        (run.model, run.out) = ("model".to_owned(), "out".into());
        if let Err(error) = run.check("The recipe") {
            problems.add("", error.to_string());
        }
    }
    problems
}

fn name(name: &str, problems: &mut Problems) {
    let name = name.trim();
    let odd = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    if name.contains(odd) || name.starts_with('.') || name.len() > 120 {
        problems.add(
            "name",
            "A name has no slashes, colons, quotes or the like, begins with no dot, and is not long",
        );
    }
}

fn data(config: &TrainConfig, problems: &mut Problems) {
    if config.data.is_empty() {
        problems.add("data", "Add a data set: without one there is nothing to learn");
    }
    for (i, data) in config.data.iter().enumerate() {
        if data.path.as_os_str().is_empty() {
            problems.add(format!("data.{i}.path"), "Choose a file: .parquet, .jsonl or .json");
        }
        if !(data.weight.is_finite() && data.weight > 0.0 && data.weight <= 1e6) {
            problems.add(format!("data.{i}.weight"), "A weight is a number above 0, at most a million");
        }
        if data.images.as_ref().is_some_and(|images| images.as_os_str().is_empty()) {
            problems.add(format!("data.{i}.images"), "Choose the folder of the pictures, or untick it");
        }
    }
}

fn method(method: &MethodConfig, problems: &mut Problems) {
    let share = |v: f64| (0.0..1.0).contains(&v);
    let positive = |v: f64| v.is_finite() && v > 0.0 && v <= 1e6;
    match method {
        MethodConfig::Lora { rank, alpha, dropout, targets, rank_pattern, alpha_pattern, .. } => {
            if !(1..=1024).contains(rank) {
                problems.add("method.rank", "A rank is a whole number from 1 to 1024");
            }
            if alpha.is_some_and(|alpha| !positive(alpha)) {
                problems.add("method.alpha", "Alpha is a number above 0");
            }
            if !share(*dropout) {
                problems.add("method.dropout", "Dropout is a share from 0 to below 1");
            }
            let nothing = match targets {
                Targets::Pattern(pattern) => pattern.trim().is_empty(),
                Targets::Names(names) => names.is_empty(),
                _ => false,
            };
            if nothing {
                problems.add("method.targets", "Say which layers, or take a whole group of them");
            }
            let ranks = rank_pattern.iter().any(|(name, rank)| name.is_empty() || !(1..=1024).contains(rank));
            let alphas = alpha_pattern.iter().any(|(name, alpha)| name.is_empty() || !positive(*alpha));
            if ranks || alphas {
                problems.add(
                    "method.pattern",
                    "Each row names layers, with a rank from 1 to 1024 or an alpha above 0",
                );
            }
        }
        MethodConfig::PromptTuning { tokens } if !(1..=512).contains(tokens) => {
            problems.add("method.tokens", "Virtual tokens are 1 to 512: they take the place of words");
        }
        MethodConfig::Bottleneck { reduction, .. }
            if !(reduction.is_finite() && (1.0..=1024.0).contains(reduction)) =>
        {
            problems.add("method.reduction", "A reduction is a number from 1 to 1024");
        }
        MethodConfig::Full { parts } if parts.is_empty() => {
            problems.add("method.parts", "Tick at least one part of the model");
        }
        MethodConfig::Ia3 {}
        | MethodConfig::PromptTuning { .. }
        | MethodConfig::Bottleneck { .. }
        | MethodConfig::Full { .. } => {}
    }
}

fn amounts(config: &TrainConfig, problems: &mut Problems) {
    let mut within = |key: &str, value: u64, low: u64, high: u64, what: &str| {
        if !(low..=high).contains(&value) {
            problems.add(key, format!("{what} are a whole number from {low} to {high}"));
        }
    };
    let of = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    within("steps", config.steps.unwrap_or(1), 1, 10_000_000, "Steps");
    within("accumulate", u64::from(config.accumulate), 1, 4096, "Batches of one step");
    within("batch.samples", of(config.batch.samples), 1, 4096, "Samples of one batch");
    within("batch.tokens", config.batch.tokens.unwrap_or(1), 1, 100_000_000, "Tokens of one batch");
    within("batch.window", of(config.batch.window), 1, 1_000_000, "Samples sorted together");
    within("questions_per_image", of(config.questions_per_image), 1, 256, "Questions of one picture");
    within(
        "longest_edge",
        u64::from(config.longest_edge.unwrap_or(512)),
        16,
        8192,
        "Pixels of the longest side",
    );
    within("cache_mib", config.cache_mib, 0, 1 << 30, "Mebibytes");
    within("evaluate.samples", of(config.evaluate.samples), 0, 1_000_000, "Samples of one evaluation");
    within("evaluate.answers", of(config.evaluate.answers), 0, 1000, "Answers");
    within("checkpoint.keep", of(config.checkpoint.keep), 0, 10_000, "Checkpoints");
    // TOML has no larger number.
    within("seed", config.seed, 0, i64::MAX as u64, "Seeds");
    within("evaluate.every", config.evaluate.every, 0, i64::MAX as u64, "Steps");
    within("checkpoint.every", config.checkpoint.every, 0, i64::MAX as u64, "Steps");
    if !(config.epochs.is_finite() && config.epochs > 0.0 && config.epochs <= 1e6) {
        problems.add("epochs", "Epochs are a number above 0, at most a million");
    }
    if !(0.0..1.0).contains(&config.evaluate.held_out) {
        problems.add("evaluate.held_out", "What is held out is a share from 0 to below 1");
    }
    for (key, value) in [("augment.flip", config.augment.flip), ("augment.crop", config.augment.crop)] {
        if !(0.0..=1.0).contains(&value) {
            problems.add(key, "How often is a share from 0 to 1");
        }
    }
    for (key, value) in
        [("augment.noise_m", config.augment.noise_m), ("augment.noise_log", config.augment.noise_log)]
    {
        if !(value.is_finite() && (0.0..=100.0).contains(&value)) {
            problems.add(key, "A deviation is a number from 0 to 100");
        }
    }
}

fn optimizer(config: &TrainConfig, problems: &mut Problems) {
    let o = &config.optimizer;
    for (key, rate) in [
        ("optimizer.lr", Some(o.lr)),
        ("optimizer.vision_lr", o.vision_lr),
        ("optimizer.connector_lr", o.connector_lr),
    ] {
        if rate.is_some_and(|rate| !(rate.is_finite() && (0.0..=10.0).contains(&rate))) {
            problems.add(key, "A learning rate is a number from 0 to 10; 1e-4 is usual");
        }
    }
    for (key, value) in [("optimizer.warmup", o.warmup), ("optimizer.clip", o.clip)] {
        if !(value.is_finite() && (0.0..=1e7).contains(&value)) {
            problems.add(key, "Expected a number from 0");
        }
    }
    for (key, beta) in [("optimizer.beta1", o.adamw.beta1), ("optimizer.beta2", o.adamw.beta2)] {
        if !(0.0..1.0).contains(&beta) {
            problems.add(key, "A beta is a number from 0 to below 1");
        }
    }
    if !(o.adamw.eps.is_finite() && o.adamw.eps > 0.0) {
        problems.add("optimizer.eps", "Epsilon is a number above 0");
    }
    if !(o.adamw.weight_decay.is_finite() && (0.0..=10.0).contains(&o.adamw.weight_decay)) {
        problems.add("optimizer.weight_decay", "Weight decay is a number from 0 to 10");
    }
}

fn losses(config: &TrainConfig, problems: &mut Problems) {
    let from_0 = |v: f64| v.is_finite() && (0.0..=1e6).contains(&v);
    if let Some(margin) = &config.loss.margin
        && !(from_0(margin.margin) && from_0(margin.weight))
    {
        problems.add("loss.margin", "Margin and weight are numbers from 0");
    }
    if let Some(depth) = &config.loss.depth
        && !((1..=64).contains(&depth.pixels)
            && [depth.weight, depth.ranking, depth.margin].into_iter().all(from_0))
    {
        problems.add(
            "loss.depth",
            "Values along a side are 1 to 64; weight, ranking and margin are numbers from 0",
        );
    }
    if let Some(depth) = &config.loss.depth
        && depth.layer.is_some_and(|layer| !(1..=1000).contains(&layer))
    {
        problems.add("loss.depth", "Layers are counted from 1");
    }
    if let Some(distil) = &config.loss.distil {
        if distil.teacher.as_os_str().is_empty() {
            problems.add("loss.distil", "Choose the folder of the model to learn from");
        }
        let positive = distil.temperature.is_finite() && distil.temperature > 0.0;
        if !((0.0..=1.0).contains(&distil.alpha) && positive && from_0(distil.features)) {
            problems.add(
                "loss.distil",
                "The weight of the labels is a share, temperature above 0, features from 0",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::form::source;

    #[test]
    fn odd_values_are_said_at_their_field() {
        type Change = fn(&mut Form);
        let changes: [(&str, Change); 22] = [
            ("data", |f| f.config.data.clear()),
            ("data.0.path", |f| f.config.data = vec![source("".into())]),
            ("data.0.weight", |f| f.config.data[0].weight = f64::NAN),
            ("data.0.images", |f| f.config.data[0].images = Some("".into())),
            ("name", |f| f.name = "../else".to_owned()),
            ("model", |f| f.model.clear()),
            ("method.rank", |f| f.config.method = rank(usize::MAX)),
            ("method.rank", |f| f.config.method = rank(0)),
            ("method.tokens", |f| f.config.method = MethodConfig::PromptTuning { tokens: 1 << 40 }),
            ("method.parts", |f| f.config.method = MethodConfig::Full { parts: [].into() }),
            ("steps", |f| f.config.steps = Some(0)),
            ("steps", |f| f.config.steps = Some(u64::MAX)),
            ("epochs", |f| f.config.epochs = f64::INFINITY),
            ("accumulate", |f| f.config.accumulate = 0),
            ("batch.samples", |f| f.config.batch.samples = 0),
            ("batch.window", |f| f.config.batch.window = 0),
            ("seed", |f| f.config.seed = u64::MAX),
            ("evaluate.held_out", |f| f.config.evaluate.held_out = -0.1),
            ("augment.flip", |f| f.config.augment.flip = 2.0),
            ("optimizer.lr", |f| f.config.optimizer.lr = f64::NAN),
            ("optimizer.beta2", |f| f.config.optimizer.adamw.beta2 = 1.0),
            ("loss.margin", |f| {
                f.config.loss.margin = Some(plumb_train::config::MarginConfig { margin: -1.0, weight: 0.0 });
            }),
        ];
        for (key, change) in changes {
            let mut form = Form::default();
            form.config.data.push(source("/data/a.jsonl".into()));
            assert!(check(&form).is_empty());
            change(&mut form);
            let problems = check(&form);
            assert!(problems.at(key).is_some(), "{key}: {problems:?}");
        }
    }

    fn rank(own: usize) -> MethodConfig {
        let mut method = MethodConfig::default();
        if let MethodConfig::Lora { rank, .. } = &mut method {
            *rank = own;
        }
        method
    }
}
