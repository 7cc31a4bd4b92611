//! Reports as plain text. Every score stands with its interval and with chance beside it.

use super::{Comparison, Difference, Finding, Formula, Report, Slice};
use crate::stats::Interval;
use std::fmt::{Display, Formatter, Result};

/// Columns that line up: the first to the left, the others to the right.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&h| h.to_owned()).collect()] }
    }

    fn push<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.into());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|c| self.rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0))
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match i {
                    0 => line.push_str(&format!("{cell:<width$}")),
                    _ => line.push_str(&format!("  {cell:>width$}")),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn points(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{:.2}", v * 100.0))
}

fn range(interval: Option<Interval>) -> String {
    interval.map_or_else(|| "-".to_owned(), |i| format!("{:.2}..{:.2}", i.low * 100.0, i.high * 100.0))
}

fn p_text(p: f64) -> String {
    if p < 0.001 { format!("{p:.1e}") } else { format!("{p:.3}") }
}

fn slice_row(table: &mut Table, group: &str, s: &Slice) {
    // Below 20 rows a percentage misleads; the counts in the column beside it say all there is.
    let shown = |v: Option<f64>| {
        if s.is_small() { "(few)".to_owned() } else { points(v) }
    };
    table.push([
        format!("{group}{}", s.name),
        shown(s.accuracy),
        range(s.interval),
        points(s.chance),
        format!("{}/{}", s.correct, s.n),
        format!("{}/{}", s.n, s.total),
        s.unparsed.to_string(),
        shown(s.randomised),
    ]);
}

fn formula_row(table: &mut Table, f: &Formula) {
    table.push([
        f.kind.name().to_owned(),
        points(f.value),
        range(f.wider()),
        points(f.chance),
        format!("{}/{}", f.correct, f.n),
        format!("{}/{}", f.n, f.total),
        f.unparsed.to_string(),
        points(f.randomised),
    ]);
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "{}", self.verdict.sentence)?;
        let c = &self.coverage;
        writeln!(
            f,
            "Parser {}. Answered {} of {} rows ({} failed, {} missing, {} unreadable).\n",
            self.parser, c.answered, c.rows, c.failed, c.missing, c.rejected
        )?;
        let mut table = Table::new(&[
            "score",
            "%",
            "95 % interval",
            "chance",
            "right",
            "answered",
            "unparsed",
            "if guessed",
        ]);
        for formula in [&self.official, &self.two_d, &self.three_d] {
            formula_row(&mut table, formula);
        }
        slice_row(&mut table, "", &self.micro);
        for (group, slices) in
            [("task ", &self.tasks), ("source ", &self.sources), ("sub-source ", &self.sub_sources)]
        {
            for slice in slices {
                slice_row(&mut table, group, slice);
            }
        }
        writeln!(f, "{table}")?;
        if let Some(note) = &self.official.note {
            writeln!(f, "Official score: {note}")?;
        }
        let mut table = Table::new(&["without an image", "official", "micro"]);
        for b in &self.baselines {
            table.push([b.name.clone(), points(b.official), points(b.micro)]);
        }
        writeln!(f, "{table}")?;
        if !self.letters.letters.is_empty() {
            let mut table = Table::new(&["letter", "right", "answered", "recall", "p"]);
            for l in &self.letters.letters {
                table.push([
                    l.letter.to_string(),
                    l.gold.to_string(),
                    l.predicted.to_string(),
                    points(l.recall),
                    p_text(l.p),
                ]);
            }
            writeln!(f, "{table}")?;
        }
        if !self.calibration.is_empty() {
            let mut table = Table::new(&["calibration", "rows", "ECE", "Brier", "NLL"]);
            for g in &self.calibration {
                let c = &g.calibration;
                table.push([
                    g.group.clone(),
                    c.n.to_string(),
                    points(Some(c.ece)),
                    format!("{:.3}", c.brier),
                    c.nll.map_or_else(|| "infinite".to_owned(), |v| format!("{v:.3}")),
                ]);
            }
            writeln!(f, "{table}")?;
        }
        let warnings =
            [self.letters.warning.as_ref(), self.structure.as_ref().and_then(|s| s.warning.as_ref())];
        for warning in warnings.into_iter().flatten() {
            writeln!(f, "Warning: {warning}")?;
        }
        if self.verdict.finding != Finding::NothingScored && c.unknown_ids > 0 {
            writeln!(f, "Note: {} predictions name rows this benchmark does not have.", c.unknown_ids)?;
        }
        Ok(())
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "{}", self.sentence)?;
        writeln!(
            f,
            "{} shared rows ({} left out): both right {}, only A {}, only B {}, neither {}.\n",
            self.n, self.left_out, self.both, self.only_a, self.only_b, self.neither
        )?;
        let mut table = Table::new(&["score", "A %", "B %", "B - A", "95 % interval", "rows", "p"]);
        let mut row = |name: String, d: &Difference, n: String, p: String| {
            let wide = match (d.interval, d.clustered) {
                (Some(a), Some(b)) => Some(a.hull(b)),
                (a, b) => a.or(b),
            };
            table.push([
                name,
                points(Some(d.a)),
                points(Some(d.b)),
                format!("{:+.2}", d.delta * 100.0),
                range(wide),
                n,
                p,
            ]);
        };
        if let Some(d) = &self.official {
            row("official".to_owned(), d, self.n.to_string(), "-".to_owned());
        }
        if let Some(d) = &self.micro {
            row("micro".to_owned(), d, self.n.to_string(), p_text(self.p));
        }
        for s in &self.slices {
            let mark = if s.significant { "*" } else { "" };
            row(format!("{} {}{mark}", s.group, s.name), &s.difference, s.n.to_string(), p_text(s.p_holm));
        }
        write!(f, "{table}")?;
        writeln!(
            f,
            "The p of a slice is Holm-adjusted; * marks those below 0.05. All others show no difference."
        )
    }
}
