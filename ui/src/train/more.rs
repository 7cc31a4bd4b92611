//! The fields beside model, method and data.

use plumb_train::config::{DepthConfig, DistilConfig, MarginConfig, TrainConfig};
use plumb_train::optimizer::Decay;

use super::data::edit_path;
use super::fields::Fields;

/// Steps and batches.
pub(crate) fn amounts(f: &mut Fields<'_>, config: &mut TrainConfig) {
    let hover = "Changes of the weights; from the epochs where it is not set";
    f.optional("steps", "Steps", hover, &mut config.steps, 100);
    if config.steps.is_none() {
        f.number("epochs", "Epochs", "Times that the first data set is seen", &mut config.epochs);
    }
    f.number(
        "batch.samples",
        "Samples of a batch",
        "Most that are computed at once",
        &mut config.batch.samples,
    );
    f.number("accumulate", "Batches of a step", "Their gradients are added up", &mut config.accumulate);
    let hover = "Most tokens of a batch, padding included; a longer sample stands alone";
    f.optional("batch.tokens", "Tokens of a batch", hover, &mut config.batch.tokens, 4096);
    let hover = "Samples that are sorted by length together, so that little is padded";
    f.number("batch.window", "Sorted together", hover, &mut config.batch.window);
    let hover = "Learned together, so that a picture goes through the vision tower once";
    f.number("questions_per_image", "Questions of a picture", hover, &mut config.questions_per_image);
    f.number("seed", "Seed", "The same seed and data give the same run", &mut config.seed);
}

/// Optimiser and learning rate.
pub(crate) fn optimizer(f: &mut Fields<'_>, config: &mut TrainConfig) {
    let o = &mut config.optimizer;
    f.number("optimizer.lr", "Learning rate", "At its peak", &mut o.lr);
    f.optional("optimizer.vision_lr", "Of the vision tower", "Where it is another", &mut o.vision_lr, o.lr);
    f.optional(
        "optimizer.connector_lr",
        "Of the connector",
        "Where it is another",
        &mut o.connector_lr,
        o.lr,
    );
    let hover = "The rate rises over this share of the steps, or over so many steps from 1";
    f.number("optimizer.warmup", "Warm-up", hover, &mut o.warmup);
    let decays = [(Decay::Cosine, "cosine"), (Decay::Linear, "line"), (Decay::Constant, "none")];
    f.choice("Decay", "How the rate falls after the warm-up", &mut o.decay, &decays);
    f.number("optimizer.clip", "Clip", "The largest norm of the gradient; 0 for none", &mut o.clip);
    f.number("optimizer.beta1", "Beta 1", "Memory of the gradient (AdamW)", &mut o.adamw.beta1);
    f.number("optimizer.beta2", "Beta 2", "Memory of its square (AdamW)", &mut o.adamw.beta2);
    f.number("optimizer.eps", "Epsilon", "Keeps the division finite (AdamW)", &mut o.adamw.eps);
    f.number(
        "optimizer.weight_decay",
        "Weight decay",
        "Pull of the weights to zero",
        &mut o.adamw.weight_decay,
    );
    let hover = "Biases and norms decay as well, as torch does by itself";
    f.toggle("Decay vectors too", hover, &mut o.adamw.decay_vectors);
}

/// What is done to samples on the way.
pub(crate) fn augment(f: &mut Fields<'_>, config: &mut TrainConfig) {
    let a = &mut config.augment;
    let hover = "How often a picture is mirrored, left and right swapped in its words (0 to 1)";
    f.number("augment.flip", "Mirror", hover, &mut a.flip);
    f.number(
        "augment.crop",
        "Crop",
        "How often a picture is cropped, where its camera is known (0 to 1)",
        &mut a.crop,
    );
    let hover = "Standard deviation of what is added to lengths before they are said, in metres";
    f.number("augment.noise_m", "Noise of lengths, m", hover, &mut a.noise_m);
    let hover = "Standard deviation of the logarithm of the factor on lengths";
    f.number("augment.noise_log", "Noise of scale", hover, &mut a.noise_log);
    f.toggle("New noise in each epoch", "", &mut a.noise_per_epoch);
}

/// Looking at the model while it learns, and saving it.
pub(crate) fn evaluate(f: &mut Fields<'_>, config: &mut TrainConfig) {
    let e = &mut config.evaluate;
    f.number(
        "evaluate.every",
        "Every so many steps",
        "0 for no evaluation and nothing held out",
        &mut e.every,
    );
    f.number(
        "evaluate.held_out",
        "Held out",
        "Share of the pictures; no picture is on both sides",
        &mut e.held_out,
    );
    f.number("evaluate.samples", "Samples", "Most of one evaluation", &mut e.samples);
    f.number(
        "evaluate.answers",
        "Said aloud",
        "Held-out samples that the model answers each time",
        &mut e.answers,
    );
}

/// Saving.
pub(crate) fn checkpoint(f: &mut Fields<'_>, config: &mut TrainConfig) {
    let c = &mut config.checkpoint;
    f.number("checkpoint.every", "Every so many steps", "0 for the last alone", &mut c.every);
    f.number("checkpoint.keep", "Kept", "Beside the best", &mut c.keep);
}

/// Memory and number types.
pub(crate) fn memory(f: &mut Fields<'_>, config: &mut TrainConfig) {
    f.precision("Frozen weights", "Their type; the file's own by itself", &mut config.precision);
    f.precision(
        "Result",
        "Type of a full model that is written; the base's own by itself",
        &mut config.save_as,
    );
    let options = [(None, "by itself"), (Some(true), "yes"), (Some(false), "no")];
    let hover = "Each block is computed again on the way back: a third more time, memory flat with depth. By itself where a \
                 step would keep more than a GiB";
    f.choice("Compute again", hover, &mut config.recompute, &options);
    let hover = "Image features that are kept while nothing of the vision tower learns";
    f.number("cache_mib", "Kept features, MiB", hover, &mut config.cache_mib);
    let hover = "Working size of pictures; one tile's side by itself, so that a picture is one frame";
    f.optional("longest_edge", "Longest side, pixels", hover, &mut config.longest_edge, 512);
}

/// Losses beside the cross entropy of the answers.
pub(crate) fn losses(f: &mut Fields<'_>, config: &mut TrainConfig) {
    let loss = &mut config.loss;
    let mut own = loss.margin.is_some();
    let hover = "A right answer is likelier than the wrong one of the same question by a margin";
    if f.toggle("Margin of the right option", hover, &mut own).changed() {
        loss.margin = own.then(MarginConfig::default);
    }
    if let Some(margin) = &mut loss.margin {
        f.number("", "Margin", "In units of log-likelihood", &mut margin.margin);
        f.number("loss.margin", "Weight of the margin", "Beside the answers' 1", &mut margin.weight);
    }
    let mut own = loss.depth.is_some();
    let hover = "A head that reads depth from a text block; the data needs scenes with exact depth beside it";
    if f.toggle("Depth", hover, &mut own).changed() {
        loss.depth = own.then(DepthConfig::default);
    }
    if let Some(depth) = &mut loss.depth {
        f.optional(
            "",
            "Text layer",
            "Whose output is read, from 1; the middle one by itself",
            &mut depth.layer,
            6,
        );
        f.number("", "Values along a token", "Of one side", &mut depth.pixels);
        f.number("", "Weight of the depth", "Beside the answers' 1", &mut depth.weight);
        f.number("", "Weight of the order", "Which of the objects asked about is nearer", &mut depth.ranking);
        f.number("loss.depth", "Margin of the order", "In log-depth", &mut depth.margin);
    }
    let mut own = loss.distil.is_some();
    if f.toggle("Learn from a larger model", "One with the same tokenizer", &mut own).changed() {
        let (alpha, temperature) = (0.5, 2.0);
        let teacher = std::path::PathBuf::new();
        loss.distil = own.then_some(DistilConfig { teacher, alpha, temperature, features: 0.0 });
    }
    if let Some(distil) = &mut loss.distil {
        edit_path(f, "Folder of the larger model", "folder with config.json", &mut distil.teacher, true);
        f.number("", "Weight of the labels", "The rest is the larger model's", &mut distil.alpha);
        f.number("", "Temperature", "Softens both models' probabilities", &mut distil.temperature);
        f.number(
            "loss.distil",
            "Weight of its features",
            "Matching its image features; 0 for none",
            &mut distil.features,
        );
    }
}
