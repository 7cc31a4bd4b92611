//! What was wrong with the lines that were left out.

/// The most issues kept in words; all are counted.
pub const MAX_ISSUES: usize = 1000;

/// Something wrong with one line or element of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub file: String,
    /// From 1.
    pub line: u64,
    /// The key that is wrong; empty when the whole line is.
    pub field: String,
    pub detail: String,
}

impl std::fmt::Display for Issue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.field.is_empty() {
            write!(f, "`{}`: ", self.field)?;
        }
        f.write_str(&self.detail)
    }
}

/// The issues of a file that was read to some point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issues {
    /// The first [`MAX_ISSUES`].
    pub list: Vec<Issue>,
    pub total: u64,
}

impl Issues {
    pub(super) fn add(&mut self, file: &str, line: u64, problem: Problem) {
        self.total += 1;
        if self.list.len() < MAX_ISSUES {
            self.list.push(Issue {
                file: file.to_owned(),
                line,
                field: problem.field,
                detail: problem.detail,
            });
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

/// An [`Issue`] that does not know its place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) field: String,
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

impl From<serde_json::Error> for Problem {
    /// serde names the field where it knows it ("missing field `x`"); the line it counts is inside the piece and
    /// would be taken for the file's.
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let cut = text.rfind(" at line ").unwrap_or(text.len());
        let detail = text.get(..cut).unwrap_or(&text);
        Self::new("", format!("{detail} (column {})", error.column()))
    }
}
