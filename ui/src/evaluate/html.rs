//! The report as one page that needs nothing else: scores with interval, chance and the text alone, then the wrong answers.

use std::fmt::Write as _;

use plumb_bench::sample::letter;
use plumb_engine::look::RunSeen;

use super::data::Verdict;
use super::export::{Document, listed, wrong};
use super::formats::data_url;
use super::lines::{self, Line};
use super::{fingerprint, words};
use crate::theme::theme;

/// Wrong answers that are listed at most.
const LISTED: usize = 1000;

/// Text as it may stand in a page or in an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A page may not hold them.
            c if c.is_control() && !matches!(c, '\n' | '\r' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The whole page.
pub(super) fn page(document: &Document) -> String {
    let mut out = String::new();
    let title = document.run().map_or_else(|| "Plumbline".to_owned(), title);
    let title = escape(&title);
    out.push_str(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{}</style>\n<h1>{title}</h1>\n",
        style()
    ));
    if let Some(run) = document.run() {
        scores(&mut out, run);
    }
    samples(&mut out, document);
    out.push_str("</html>\n");
    out
}

fn title(run: &RunSeen) -> String {
    let print = &run.manifest.fingerprint;
    let adapter = print.adapter.as_deref().map(|a| format!(" + {}", words::last(a))).unwrap_or_default();
    let bench = run.manifest.bench.display().to_string();
    format!("{}{adapter} on {}", words::last(&print.model), words::last(&bench))
}

/// The window's own colours, light and dark.
fn style() -> String {
    let hex = |c: egui::Color32| format!("#{:02x}{:02x}{:02x}", c.r(), c.g(), c.b());
    let mode = |p: &crate::theme::Palette| {
        format!(
            "--bg:{};--raised:{};--line:{};--text:{};--dim:{};--accent:{};--right:{};--wrong:{};--warn:{}",
            hex(p.background),
            hex(p.raised),
            hex(p.line),
            hex(p.text),
            hex(p.dim),
            hex(p.accent),
            hex(p.right),
            hex(p.wrong),
            hex(p.warning)
        )
    };
    format!(
        ":root{{{}}}@media(prefers-color-scheme:dark){{:root{{{}}}}}\
         body{{background:var(--bg);color:var(--text);font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:24px auto;\
         padding:0 16px}}table{{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}}\
         td,th{{text-align:left;padding:4px 8px;border-bottom:1px solid var(--line);vertical-align:top}}\
         th,.dim{{color:var(--dim);font-weight:400}}pre{{background:var(--raised);padding:8px;white-space:pre-wrap}}\
         .bar{{position:relative;display:inline-block;width:260px;height:12px;background:var(--raised);\
         border:1px solid var(--line)}}.bar i{{position:absolute;top:0;bottom:0}}.v{{background:var(--accent);opacity:.5}}\
         .i{{background:var(--text);height:2px;margin:5px 0}}.c{{background:var(--dim);width:2px}}\
         .b{{background:var(--warn);width:2px}}.right{{color:var(--right)}}.wrong{{color:var(--wrong)}}\
         img{{max-width:192px;max-height:192px}}",
        mode(&theme().light),
        mode(&theme().dark)
    )
}

fn scores(out: &mut String, run: &RunSeen) {
    let (report, blind) = (&run.report, run.blind.as_deref());
    let headline = lines::headline(report, blind);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "<p>{}</p>", escape(&lines::meaning(&headline, lines::best_rule(report))));
    out.push_str(
        "<table>\n<tr><th>score<th>%<th>95 % interval<th><span class=\"dim\">bar: score, interval, chance (grey), the text alone \
         (yellow)</span><th>chance<th>the text alone<th>right\n",
    );
    let groups =
        std::iter::once(("", lines::totals(report, blind).to_vec())).chain(lines::lines(report, blind));
    for (group, lines) in groups {
        for line in lines {
            row(out, group, &line);
        }
    }
    out.push_str("</table>\n");
    for rule in report.baselines.iter().filter(|b| b.name != "chance") {
        if let Some(reached) = rule.official.or(rule.micro) {
            let name = rule.name.replace('_', " ");
            let said =
                format!("Without a picture, “{name}” scores {}. {}", words::percent(reached), rule.about);
            let _ = writeln!(out, "<p class=\"dim\">{}</p>", escape(&said));
        }
    }
    let c = &report.coverage;
    let _ = writeln!(
        out,
        "<p>{} of {} rows answered; {} failed, {} not asked, {} unreadable; {} answers not understood.</p>",
        words::count(c.answered),
        words::count(c.rows),
        words::count(c.failed),
        words::count(c.missing),
        words::count(c.rejected),
        words::count(report.micro.unparsed)
    );
    for warning in
        report.letters.warning.iter().chain(report.structure.as_ref().and_then(|s| s.warning.as_ref()))
    {
        let _ = writeln!(out, "<p>{}</p>", escape(warning));
    }
    let known = if run.manifest.bench_official { "the published files" } else { "not the published files" };
    let _ = writeln!(out, "<h2>What the numbers depend on</h2>\n<p>The benchmark is {known}.</p>");
    let _ = writeln!(out, "<pre>{}</pre>", escape(&fingerprint::whole(run)));
}

fn row(out: &mut String, group: &str, line: &Line) {
    let percent = |v: Option<f64>| v.map_or_else(|| "–".to_owned(), |v| format!("{:.1}", v * 100.0));
    let value = match line.value {
        Some(v) if !line.small => words::score(v, line.interval),
        Some(_) => "few".to_owned(),
        None => "–".to_owned(),
    };
    let range = line
        .interval
        .map_or_else(|| "–".to_owned(), |i| format!("{:.1} to {:.1}", i.low * 100.0, i.high * 100.0));
    let at = |v: f64| format!("{:.2}%", v.clamp(0.0, 1.0) * 100.0);
    let mut bar = String::new();
    if let Some(v) = line.value {
        bar.push_str(&format!("<i class=\"v\" style=\"left:0;width:{}\"></i>", at(v)));
    }
    if let Some(i) = line.interval {
        bar.push_str(&format!(
            "<i class=\"i\" style=\"left:{};width:{}\"></i>",
            at(i.low),
            at(i.high - i.low)
        ));
    }
    for (class, tick) in [("c", line.chance), ("b", line.blind)] {
        if let Some(v) = tick {
            bar.push_str(&format!("<i class=\"{class}\" style=\"left:{}\"></i>", at(v)));
        }
    }
    let name = escape(&line.name);
    let about = line.note.as_deref().map(escape).unwrap_or_default();
    let _ = writeln!(
        out,
        "<tr><td title=\"{about}\">{name} <span class=\"dim\">{group}</span><td>{value}<td>{range}<td><span class=\"bar\">{bar}</span>\
         <td>{}<td>{}<td>{} of {}",
        percent(line.chance),
        percent(line.blind),
        words::count(line.correct),
        words::count(line.n)
    );
}

fn samples(out: &mut String, document: &Document) {
    let data = &document.data;
    let all: Vec<usize> = wrong(data).collect();
    let shown = &all[..all.len().min(LISTED)];
    let _ = writeln!(out, "<h2>Wrong answers: {}</h2>", listed(shown.len(), all.len()));
    out.push_str("<table>\n");
    for &at in shown {
        let (Some(sample), Some(row)) = (data.sample(at), data.rows.get(at)) else { continue };
        let picture = document.pictures.get(&at).and_then(data_url);
        let picture = picture.map(|url| format!("<img alt=\"\" src=\"{url}\">")).unwrap_or_default();
        let note = document.note(&sample.id);
        let flag = if note.flagged { "⚑ " } else { "" };
        let probabilities = data.answer(at).and_then(|a| a.probabilities.as_ref());
        let options: Vec<String> = sample
            .options
            .iter()
            .enumerate()
            .map(|(i, option)| {
                let p = probabilities.and_then(|p| p.get(i)).map(|p| format!(" {p:.2}")).unwrap_or_default();
                let class = match (i == sample.gold, row.chosen == Some(i)) {
                    (true, _) => " class=\"right\" title=\"right answer\"",
                    (_, true) => " class=\"wrong\" title=\"chosen\"",
                    _ => "",
                };
                let word = match (i == sample.gold, row.chosen == Some(i)) {
                    (true, _) => " (right answer)",
                    (_, true) => " (chosen)",
                    _ => "",
                };
                format!("<span{class}>{} {}{p}{word}</span>", letter(i), escape(option))
            })
            .collect();
        let raw = data.answer(at).and_then(|a| a.raw.as_deref());
        let raw = raw.map(|raw| format!("<pre>{}</pre>", escape(raw))).unwrap_or_default();
        let lost = if row.verdict == Verdict::NotUnderstood { "<br>not understood" } else { "" };
        let text =
            if note.text.is_empty() { String::new() } else { format!("<p>{}</p>", escape(&note.text)) };
        let _ = writeln!(
            out,
            "<tr><td>{flag}#{}<br><span class=\"dim\">{} {}</span><td>{picture}<td>{}<br>{}{lost}{raw}{text}",
            escape(&sample.id),
            escape(sample.task.name()),
            escape(&sample.source),
            escape(&sample.question),
            options.join("<br>")
        );
    }
    out.push_str("</table>\n");
    if all.is_empty() && data.answered {
        out.push_str("<p>None.</p>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::super::export::tests::document;
    use super::super::pictures::Small;
    use super::*;

    #[test]
    fn nothing_of_a_sample_becomes_markup() {
        assert_eq!(escape("<a href=\"x\">&'\u{0}\n"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\u{fffd}\n");
        let mut document = document();
        document.pictures.insert(0, Small { size: [8, 8], rgb: vec![9; 192] });
        let page = page(&document);
        assert!(page.contains("nearer &lt;b&gt;?") && !page.contains("<b>"));
        assert!(page.contains("so&quot;fa (chosen)") && page.contains("lamp, red (right answer)"));
        assert!(page.contains("<img alt=\"\" src=\"data:image/jpeg;base64,"));
        assert!(page.contains("⚑ #0") && page.contains("Wrong answers: 1"));
        assert!(!page.contains("http"), "the page needs nothing else");
    }
}
