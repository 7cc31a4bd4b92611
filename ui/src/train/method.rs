//! The fields of the method: what learns.

use std::collections::BTreeSet;

use plumb_train::config::{MethodConfig, ModelPart, Targets, Variant};

use super::fields::Fields;

/// Kinds of methods, told apart by what their fields are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lora,
    Ia3,
    Prompt,
    Bottleneck,
    Full,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Lora, "LoRA"),
    (Kind::Ia3, "(IA)³"),
    (Kind::Prompt, "Prompt tuning"),
    (Kind::Bottleneck, "Bottleneck"),
    (Kind::Full, "Full weights"),
];

fn kind(method: &MethodConfig) -> Kind {
    match method {
        MethodConfig::Lora { .. } => Kind::Lora,
        MethodConfig::Ia3 {} => Kind::Ia3,
        MethodConfig::PromptTuning { .. } => Kind::Prompt,
        MethodConfig::Bottleneck { .. } => Kind::Bottleneck,
        MethodConfig::Full { .. } => Kind::Full,
    }
}

fn fresh(kind: Kind) -> MethodConfig {
    match kind {
        Kind::Lora => MethodConfig::default(),
        Kind::Ia3 => MethodConfig::Ia3 {},
        Kind::Prompt => MethodConfig::PromptTuning { tokens: 20 },
        Kind::Bottleneck => MethodConfig::Bottleneck { variant: Variant::Sequential, reduction: 16.0 },
        Kind::Full => MethodConfig::Full { parts: BTreeSet::from([ModelPart::Connector]) },
    }
}

/// Draws the fields.
pub(crate) fn ui(fields: &mut Fields<'_>, method: &mut MethodConfig) {
    let mut chosen = kind(method);
    if fields.choice("Method", "What learns", &mut chosen, &KINDS) {
        *method = fresh(chosen);
    }
    match method {
        MethodConfig::Lora { .. } => lora(fields, method),
        MethodConfig::Ia3 {} => {}
        MethodConfig::PromptTuning { tokens } => {
            fields.number("method.tokens", "Virtual tokens", "Learned tokens before the prompt", tokens);
        }
        MethodConfig::Bottleneck { variant, reduction } => {
            let variants = [
                (Variant::Sequential, "after the feed-forward part"),
                (Variant::DoubleSequential, "after both parts"),
                (Variant::Parallel, "beside the feed-forward part"),
            ];
            fields.choice("Place", "Where the small networks sit in a block", variant, &variants);
            let hover = "By how much the small network is narrower than the model";
            fields.number("method.reduction", "Reduction", hover, reduction);
        }
        MethodConfig::Full { parts } => {
            for (part, name) in [
                (ModelPart::Vision, "Vision tower"),
                (ModelPart::Connector, "Connector"),
                (ModelPart::Text, "Language model"),
                (ModelPart::Embedding, "Word embedding"),
                (ModelPart::Head, "Head"),
            ] {
                let mut own = parts.contains(&part);
                if fields.toggle(name, "This part learns whole", &mut own).changed() {
                    if own {
                        parts.insert(part);
                    } else {
                        parts.remove(&part);
                    }
                }
            }
            fields.said("method.parts");
        }
    }
}

fn lora(fields: &mut Fields<'_>, method: &mut MethodConfig) {
    let MethodConfig::Lora { rank, alpha, dropout, targets, rslora, dora, rank_pattern, alpha_pattern, save } =
        method
    else {
        return;
    };
    fields.number("method.rank", "Rank", "Width of the two matrices: how much can be learned", rank);
    let hover = "What the matrices are multiplied by, over the rank; twice the rank by itself";
    fields.optional("method.alpha", "Alpha", hover, alpha, 2.0 * *rank as f64);
    fields.number("method.dropout", "Dropout", "Share of the inputs that is left out at random", dropout);
    layers(fields, targets);
    fields.toggle("DoRA", "The length of each row of the weights learns as well (Liu 2024)", dora);
    fields.toggle(
        "rsLoRA",
        "Scaled by the root of the rank: larger ranks stay stable (Kalajdzievski 2023)",
        rslora,
    );
    let hover = "Modules that learn whole beside the matrices, by name";
    fields.list("", "Learn whole", hover, save);
    fields.ui.label("Other ranks for layers whose path matches:");
    pattern(fields, "rank", rank_pattern, 8);
    fields.ui.label("Other alphas for layers whose path matches:");
    pattern(fields, "alpha", alpha_pattern, 16.0);
    fields.said("method.pattern");
}

fn layers(fields: &mut Fields<'_>, targets: &mut Targets) {
    #[derive(Clone, Copy, PartialEq)]
    enum Group {
        Text,
        Vision,
        Both,
        Pattern,
        Names,
    }
    let mut group = match targets {
        Targets::Text => Group::Text,
        Targets::Vision => Group::Vision,
        Targets::TextAndVision => Group::Both,
        Targets::Pattern(_) => Group::Pattern,
        Targets::Names(_) => Group::Names,
    };
    let groups = [
        (Group::Text, "language model"),
        (Group::Vision, "vision tower"),
        (Group::Both, "both"),
        (Group::Pattern, "by pattern"),
        (Group::Names, "by name"),
    ];
    if fields.choice("Layers", "Which linear layers the matrices attach to", &mut group, &groups) {
        *targets = match group {
            Group::Text => Targets::Text,
            Group::Vision => Targets::Vision,
            Group::Both => Targets::TextAndVision,
            Group::Pattern => {
                Targets::Pattern(r"model\.text_model\.layers\.\d+\.self_attn\.(q|v)_proj".to_owned())
            }
            Group::Names => Targets::Names(["q_proj", "v_proj"].map(str::to_owned).to_vec()),
        };
    }
    match targets {
        Targets::Pattern(pattern) => {
            fields.text("", "Pattern", "regular expression of a whole path", pattern);
        }
        Targets::Names(names) => fields.list("", "Names", "Last parts of the paths, as PEFT's list", names),
        Targets::Text | Targets::Vision | Targets::TextAndVision => {}
    }
    fields.said("method.targets");
}

fn pattern<N: egui::emath::Numeric>(
    fields: &mut Fields<'_>,
    what: &str,
    rows: &mut Vec<(String, N)>,
    first: N,
) {
    let mut gone = None;
    for (i, (path, value)) in rows.iter_mut().enumerate() {
        fields.ui.horizontal(|ui| {
            if ui.small_button("✖").accessible_name(format!("Remove {what} {}", i + 1)).clicked() {
                gone = Some(i);
            }
            ui.add(egui::DragValue::new(value)).accessible_name(format!("Its {what} {}", i + 1));
            let edit =
                egui::TextEdit::singleline(path).hint_text("regular expression").desired_width(f32::INFINITY);
            ui.add(edit).accessible_name(format!("Layers of {what} {}", i + 1));
        });
    }
    if let Some(i) = gone {
        rows.remove(i);
    }
    if fields.ui.small_button(format!("Add a {what}")).clicked() {
        rows.push((String::new(), first));
    }
}
