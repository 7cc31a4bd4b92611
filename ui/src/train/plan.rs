//! What a run will do, before its first step: what learns, the memory it takes, the data, and a sample with what is learned.

use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, FontId, Rect, RichText, Sense, Stroke, TextStyle, Ui, pos2, vec2};
use plumb_train::estimate::Estimate;
use plumb_train::run::Plan;

use super::fields::bytes;
use super::mask;
use crate::theme::{palette, theme};
use crate::widgets;

/// Draws the plan.
pub(crate) fn ui(ui: &mut Ui, plan: &Plan, machine: Option<u64>, device: Option<&str>) {
    widgets::section(ui, "What learns");
    let share = 100.0 * plan.trainable as f64 / plan.parameters.max(1) as f64;
    ui.label(format!("{} of {} parameters ({share:.2} %)", count(plan.trainable), count(plan.parameters)));
    widgets::section(ui, "Memory");
    memory(ui, &plan.estimate, None, own_memory(machine, device));
    if let Some(device) = device {
        widgets::dim(ui, format!("on {device}"));
    }
    let again = if plan.recompute { "Blocks are computed again on the way back." } else { "" };
    let kept = if plan.features_cached {
        "Image features are kept."
    } else {
        "Image features are computed in every step."
    };
    ui.add(egui::Label::new(RichText::new(format!("{kept} {again}")).small().color(palette(ui).dim)).wrap());
    widgets::section(ui, "Data");
    ui.label(format!("{} samples, {} held out, {} steps", plan.samples, plan.held_out, plan.steps));
    if plan.shares.len() > 1 {
        let sum: f64 = plan.shares.iter().sum();
        let shares: Vec<String> =
            plan.shares.iter().map(|s| format!("{:.1} %", 100.0 * s / sum.max(f64::MIN_POSITIVE))).collect();
        widgets::dim(ui, format!("Tokens by data set: {}", shares.join(", ")));
    }
    if !plan.refused.is_empty() {
        let title = format!("{} rows cannot be used", plan.refused.len());
        egui::CollapsingHeader::new(RichText::new(title).color(palette(ui).warning)).id_salt("refused").show(
            ui,
            |ui| {
                for row in plan.refused.iter().take(100) {
                    ui.add(egui::Label::new(RichText::new(row).small()).wrap());
                }
            },
        );
    }
    widgets::section(ui, "One sample, as it will be learned");
    sample(ui, &plan.masked);
}

/// The machine's memory where it is what counts: that of a graphics card is its own, and wgpu does not tell it.
pub(crate) fn own_memory(machine: Option<u64>, device: Option<&str>) -> Option<u64> {
    machine.filter(|_| device.is_none_or(|device| device.starts_with("cpu")))
}

/// `1234567` as `1,234,567`.
fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The sample's text, the learned part on a ground of its own and underlined.
fn sample(ui: &mut Ui, masked: &str) {
    let (name, spans) = mask::spans(masked);
    let p = palette(ui);
    let font = TextStyle::Monospace.resolve(ui.style());
    let mut job = LayoutJob::default();
    let mut said = String::new();
    for span in &spans {
        let mut format = TextFormat::simple(font.clone(), if span.learned { p.text } else { p.dim });
        if span.learned {
            format.background = p.accent.gamma_multiply(0.35);
            format.underline = Stroke::new(1.5, p.accent);
            said.push_str(&format!("learned: {} ", span.text));
        }
        job.append(&span.text, 0.0, format);
    }
    if spans.is_empty() {
        job.append(masked, 0.0, TextFormat::simple(font, p.text));
    }
    job.wrap.max_width = ui.available_width();
    egui::Frame::new()
        .fill(p.background)
        .corner_radius(theme().space.radius)
        .inner_margin(theme().space.s)
        .show(ui, |ui| {
            ui.add(egui::Label::new(job).wrap()).on_hover_text(name);
        });
    ui.horizontal_wrapped(|ui| {
        let format = TextFormat {
            font_id: FontId::proportional(theme().size.dense),
            color: p.text,
            background: p.accent.gamma_multiply(0.35),
            underline: Stroke::new(1.5, p.accent),
            ..TextFormat::default()
        };
        let mut key = LayoutJob::default();
        key.append("learned", 0.0, format);
        ui.label(key).on_hover_text(said);
        ui.label(RichText::new("the rest is only read").small().color(p.dim));
    });
}

/// Bytes that show as more than 0.0 MiB.
const SHOWN: u64 = 53_000;

/// The parts of an estimate in the order in which they are drawn.
fn parts(e: &Estimate) -> Vec<(&'static str, u64)> {
    let step = if e.saving > e.activations { ("saving", e.saving) } else { ("a step", e.activations) };
    let mut parts = vec![
        ("weights", e.weights),
        ("gradients and moments", e.optimizer),
        step,
        ("kept image features", e.features),
        ("program and data", e.fixed),
    ];
    let sum = parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.1));
    parts.push(("reading model and data", e.total.saturating_sub(sum)));
    // Less than the last digit shown.
    parts.retain(|part| part.1 > 0 && part.1 >= SHOWN.min(e.total / 100));
    parts
}

/// The estimate as a bar of its parts, with what was measured and what the machine has.
pub(crate) fn memory(ui: &mut Ui, estimate: &Estimate, measured: Option<u64>, machine: Option<u64>) {
    let p = palette(ui);
    let parts = parts(estimate);
    let whole = machine.unwrap_or(0).max(estimate.total).max(measured.unwrap_or(0)).max(1);
    let of = machine.map_or_else(String::new, |all| format!(" of {} in this machine", bytes(all)));
    ui.label(format!("about {}{of}", bytes(estimate.total)));
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width().max(40.0), 14.0), Sense::hover());
    let painter = ui.painter_at(rect.expand(2.0));
    painter.rect_filled(rect, 2.0, p.background);
    let width = |size: u64| rect.width() * (size as f64 / whole as f64) as f32;
    let mut x = rect.left();
    for (i, (_, size)) in parts.iter().enumerate() {
        let next = x + width(*size);
        painter.rect_filled(
            Rect::from_min_max(pos2(x, rect.top()), pos2(next, rect.bottom())),
            0.0,
            colour(i),
        );
        x = next;
    }
    painter.rect_stroke(rect, 2.0, Stroke::new(1.0, p.line), egui::StrokeKind::Inside);
    let mut said = format!("Memory: about {}{of}", bytes(estimate.total));
    if let Some(measured) = measured {
        let x = rect.left() + width(measured);
        painter.line_segment(
            [pos2(x, rect.top() - 2.0), pos2(x, rect.bottom() + 2.0)],
            Stroke::new(2.0, p.text),
        );
        said.push_str(&format!(", measured {}", bytes(measured)));
    }
    for (name, size) in &parts {
        said.push_str(&format!("\n{name} {}", bytes(*size)));
    }
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &said));
    response.on_hover_text(said);
    // One part alone cannot be seen beside a large machine: the names say what the bar is too short for.
    ui.horizontal_wrapped(|ui| {
        for (i, (name, size)) in parts.iter().enumerate() {
            ui.horizontal(|ui| {
                let (chip, _) = ui.allocate_exact_size(vec2(9.0, 9.0), Sense::hover());
                ui.painter().rect_filled(chip, 1.0, colour(i));
                ui.label(RichText::new(format!("{name} {}", bytes(*size))).small());
            });
        }
    });
    if let Some(measured) = measured {
        let share = 100.0 * (measured as f64 - estimate.total as f64) / estimate.total.max(1) as f64;
        let text = format!("measured {} ({share:+.0} % against the estimate)", bytes(measured));
        ui.label(RichText::new(text).small().color(p.dim));
    }
    if machine.is_some_and(|all| estimate.total > all / 10 * 9) {
        let text =
            "This may not fit: take smaller batches, compute blocks again, or a method that learns less.";
        ui.add(egui::Label::new(RichText::new(format!("⚠ {text}")).color(p.warning)).wrap());
    }
}

fn colour(i: usize) -> Color32 {
    theme().data.series(i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_total() {
        let estimate = Estimate {
            weights: 10,
            optimizer: 5,
            activations: 7,
            activations_kept: 99,
            features: 0,
            saving: 9,
            fixed: 20,
            total: 60,
        };
        let parts = parts(&estimate);
        assert_eq!(parts.iter().map(|part| part.1).sum::<u64>(), 60);
        assert_eq!(parts[2], ("saving", 9));
        assert_eq!(super::parts(&Estimate::default()), []);
    }

    #[test]
    fn a_graphics_card_has_memory_of_its_own() {
        assert_eq!(own_memory(Some(8), Some("cpu avx2 (asked for)")), Some(8));
        assert_eq!(own_memory(Some(8), Some("NVIDIA H200 (Vulkan)")), None);
        assert_eq!(own_memory(Some(8), None), Some(8));
    }

    #[test]
    fn counts_can_be_read() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
