//! A run beside the same run without images and beside chance.

use std::fmt::{self, Display, Formatter};

use plumb_bench::score::Slice;
use serde_json::{Value, json};

use super::report::Scored;

/// The same model on the same questions, with images and without.
pub(crate) struct Both<'a> {
    pub(crate) seen: &'a Scored,
    pub(crate) blind: &'a Scored,
}

/// One line of the table: all rows, or those of one task.
struct Line<'a> {
    name: &'a str,
    seen: &'a Slice,
    blind: Option<&'a Slice>,
}

impl Both<'_> {
    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let (seen, blind) = (&self.seen.report, &self.blind.report);
        let tasks = seen.tasks.iter().map(|task| Line {
            name: &task.name,
            seen: task,
            blind: blind.tasks.iter().find(|other| other.name == task.name),
        });
        tasks.chain([Line { name: "all", seen: &seen.micro, blind: Some(&blind.micro) }])
    }

    /// The two runs, and the table as `tasks` (shares, not percent).
    pub(crate) fn json(&self) -> Value {
        let tasks: Vec<Value> = self
            .lines()
            .map(|line| {
                json!({
                    "task": line.name,
                    "rows": line.seen.n,
                    "score": line.seen.accuracy,
                    "interval": line.seen.interval,
                    "chance": line.seen.chance,
                    "blind": line.blind.and_then(|slice| slice.accuracy),
                })
            })
            .collect();
        let mut value = self.seen.json();
        if let Value::Object(fields) = &mut value {
            fields.insert("blind".into(), self.blind.json());
            fields.insert("tasks".into(), Value::Array(tasks));
        }
        value
    }
}

impl Display for Both<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let percent =
            |share: Option<f64>| share.map_or_else(|| "—".to_owned(), |v| format!("{:.1} %", 100.0 * v));
        write!(
            f,
            "{:<10} {:>5} {:>8} {:>15} {:>8} {:>8}",
            "task", "rows", "score", "95 % interval", "chance", "blind"
        )?;
        for line in self.lines() {
            let interval = line
                .seen
                .interval
                .map_or_else(|| "—".to_owned(), |i| format!("{:.1} to {:.1}", 100.0 * i.low, 100.0 * i.high));
            write!(
                f,
                "\n{:<10} {:>5} {:>8} {:>15} {:>8} {:>8}",
                line.name,
                line.seen.n,
                percent(line.seen.accuracy),
                interval,
                percent(line.seen.chance),
                percent(line.blind.and_then(|slice| slice.accuracy))
            )?;
        }
        Ok(())
    }
}
