//! The one place that knows colours, sizes and distances: `ui/theme.toml`, read once.

use std::sync::LazyLock;

use egui::style::{Selection, WidgetVisuals, Widgets};
use egui::{Color32, CornerRadius, FontFamily, FontId, Margin, Stroke, TextStyle, Visuals, vec2};
use serde::{Deserialize, Deserializer, Serialize};

/// The window's tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    pub space: Space,
    pub size: Size,
    pub dark: Palette,
    pub light: Palette,
    pub data: Data,
}

/// Distances in points.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    pub xs: f32,
    pub s: f32,
    pub m: f32,
    pub l: f32,
    pub xl: f32,
    pub radius: f32,
}

/// Sizes of type in points.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    pub dense: f32,
    pub body: f32,
    pub title: f32,
    pub score: f32,
}

/// The colours of one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Palette {
    #[serde(deserialize_with = "colour")]
    pub background: Color32,
    #[serde(deserialize_with = "colour")]
    pub surface: Color32,
    #[serde(deserialize_with = "colour")]
    pub raised: Color32,
    #[serde(deserialize_with = "colour")]
    pub line: Color32,
    #[serde(deserialize_with = "colour")]
    pub text: Color32,
    #[serde(deserialize_with = "colour")]
    pub dim: Color32,
    #[serde(deserialize_with = "colour")]
    pub accent: Color32,
    #[serde(deserialize_with = "colour")]
    pub on_accent: Color32,
    /// Beside a mark or a word, never alone: colour is not all that tells right from wrong.
    #[serde(deserialize_with = "colour")]
    pub right: Color32,
    #[serde(deserialize_with = "colour")]
    pub wrong: Color32,
    #[serde(deserialize_with = "colour")]
    pub warning: Color32,
}

/// Colours of data, the same in both modes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    #[serde(deserialize_with = "colour")]
    pub blue: Color32,
    #[serde(deserialize_with = "colour")]
    pub orange: Color32,
    #[serde(deserialize_with = "colour")]
    pub green: Color32,
    #[serde(deserialize_with = "colour")]
    pub vermilion: Color32,
    #[serde(deserialize_with = "colour")]
    pub sky: Color32,
    #[serde(deserialize_with = "colour")]
    pub purple: Color32,
    #[serde(deserialize_with = "colour")]
    pub yellow: Color32,
}

impl Data {
    /// The colour of series or object `index`; they repeat after seven.
    #[must_use]
    pub fn series(&self, index: usize) -> Color32 {
        [self.blue, self.orange, self.green, self.vermilion, self.sky, self.purple, self.yellow][index % 7]
    }
}

fn colour<'de, D: Deserializer<'de>>(from: D) -> Result<Color32, D::Error> {
    let text = String::deserialize(from)?;
    Color32::from_hex(&text).map_err(|_| serde::de::Error::custom(format!("{text:?} is no #RRGGBB colour")))
}

/// The tokens of `theme.toml`.
pub fn theme() -> &'static Theme {
    static THEME: LazyLock<Theme> = LazyLock::new(|| match toml::from_str(include_str!("../theme.toml")) {
        Ok(theme) => theme,
        Err(error) => unreachable!("theme.toml is part of the program and read by its tests: {error}"),
    });
    &THEME
}

/// The colours in force in `ui`.
pub fn palette(ui: &egui::Ui) -> &'static Palette {
    if ui.visuals().dark_mode { &theme().dark } else { &theme().light }
}

/// Which mode the person wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Dark,
    Light,
    /// As the system says.
    #[default]
    System,
}

impl Mode {
    /// egui's word for it.
    #[must_use]
    pub fn preference(self) -> egui::ThemePreference {
        match self {
            Self::Dark => egui::ThemePreference::Dark,
            Self::Light => egui::ThemePreference::Light,
            Self::System => egui::ThemePreference::System,
        }
    }
}

/// Puts the tokens into egui's two styles.
pub fn install(ctx: &egui::Context, reduced_motion: bool) {
    for (mode, palette) in [(egui::Theme::Dark, &theme().dark), (egui::Theme::Light, &theme().light)] {
        ctx.style_mut_of(mode, |style| {
            style.visuals = visuals(mode, palette);
            // UI.md: nothing moves longer than 150 ms.
            style.animation_time = if reduced_motion { 0.0 } else { 0.12 };
            let Theme { space, size, .. } = theme();
            style.spacing.item_spacing = vec2(space.s, space.xs + 2.0);
            style.spacing.button_padding = vec2(space.s, space.xs);
            style.spacing.window_margin = Margin::same(space.m as i8);
            style.spacing.interact_size.y = 22.0;
            style.spacing.scroll = egui::style::ScrollStyle::thin();
            let font = |size, family| FontId::new(size, family);
            style.text_styles = [
                (TextStyle::Small, font(size.dense, FontFamily::Proportional)),
                (TextStyle::Body, font(size.body, FontFamily::Proportional)),
                (TextStyle::Button, font(size.body, FontFamily::Proportional)),
                (TextStyle::Heading, font(size.title, FontFamily::Proportional)),
                (TextStyle::Monospace, font(size.dense, FontFamily::Monospace)),
            ]
            .into();
        });
    }
}

fn visuals(mode: egui::Theme, p: &Palette) -> Visuals {
    let radius = CornerRadius::same(theme().space.radius as u8);
    let widget = |fill: Color32, line: Color32, text: Color32| WidgetVisuals {
        // Rails and boxes: on a white ground a raised white would not be seen.
        bg_fill: p.line,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, line),
        corner_radius: radius,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let base = match mode {
        egui::Theme::Dark => Visuals::dark(),
        egui::Theme::Light => Visuals::light(),
    };
    Visuals {
        override_text_color: None,
        weak_text_color: Some(p.dim),
        widgets: Widgets {
            noninteractive: widget(p.surface, p.line, p.text),
            inactive: widget(p.raised, p.line, p.text),
            hovered: widget(p.raised, p.accent, p.text),
            active: widget(p.line, p.accent, p.text),
            open: widget(p.raised, p.accent, p.text),
        },
        selection: Selection { bg_fill: p.accent.gamma_multiply(0.35), stroke: Stroke::new(1.0, p.text) },
        hyperlink_color: p.accent,
        faint_bg_color: p.raised.gamma_multiply(0.5),
        extreme_bg_color: p.background,
        code_bg_color: p.raised,
        warn_fg_color: p.warning,
        error_fg_color: p.wrong,
        window_fill: p.raised,
        window_stroke: Stroke::new(1.0, p.line),
        window_corner_radius: radius,
        menu_corner_radius: radius,
        panel_fill: p.surface,
        striped: false,
        ..base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance and contrast of WCAG 2.2.
    fn contrast(a: Color32, b: Color32) -> f64 {
        let light = |c: Color32| {
            let part = |v: u8| {
                let v = f64::from(v) / 255.0;
                if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(c.r()) + 0.7152 * part(c.g()) + 0.0722 * part(c.b())
        };
        let (a, b) = (light(a), light(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_and_marks_can_be_read_in_both_modes() {
        for p in [&theme().dark, &theme().light] {
            for ground in [p.background, p.surface, p.raised] {
                for (name, text) in [
                    ("text", p.text),
                    ("dim", p.dim),
                    ("right", p.right),
                    ("wrong", p.wrong),
                    ("warning", p.warning),
                ] {
                    let found = contrast(text, ground);
                    assert!(found >= 4.5, "{name} on {ground:?}: {found:.2}");
                }
                assert!(contrast(p.accent, ground) >= 3.0, "accent on {ground:?}");
            }
            assert!(contrast(p.on_accent, p.accent) >= 4.5);
        }
    }
}
