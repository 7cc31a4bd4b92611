//! Reading template files, and the rules that each template must meet.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::rules::{self, Rule, cases, step_names};
use super::{Lists, Template};
use crate::kind::Kind;
use crate::{QaError, Result};

/// One question type as it is in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    questions: Vec<String>,
    answers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    steps: BTreeMap<String, Vec<String>>,
}

/// The types of all files by name, each with its file.
pub(super) fn read<'a>(files: &[(&'a str, &str)]) -> Result<BTreeMap<String, (&'a str, Entry)>> {
    let mut all = BTreeMap::new();
    for (file, text) in files {
        let fail = |place: &str, detail: String| QaError::Template {
            file: (*file).into(),
            place: place.into(),
            detail: detail.trim_end().to_owned(),
        };
        let entries: BTreeMap<String, Entry> =
            toml::from_str(text).map_err(|error| fail("the file", error.to_string()))?;
        for (name, entry) in entries {
            name.parse::<Kind>().map_err(|detail| fail(&name, detail))?;
            if let Some((other, _)) = all.get(&name) {
                return Err(fail(&name, format!("also in {other}")));
            }
            all.insert(name, (*file, entry));
        }
    }
    Ok(all)
}

/// Every template in a fixed order, with the names of the lists.
pub(super) fn normalise(kind: Kind, entry: &Entry, line: &mut dyn FnMut(&str)) {
    line(kind.name());
    entry.questions.iter().for_each(|text| line(text));
    for (name, texts) in entry.answers.iter().chain(&entry.steps) {
        line(name);
        texts.iter().for_each(|text| line(text));
    }
}

pub(super) fn compile(kind: Kind, file: &str, entry: &Entry) -> Result<Lists> {
    let lists = Checker { kind, file };
    let questions = lists.list("questions", &entry.questions, rules::QUESTIONS, &rules::question(kind))?;
    let case_names: Vec<&str> = cases(kind).iter().map(|case| case.name()).collect();
    let answers =
        lists.named("answers", &entry.answers, &case_names, rules::ANSWERS, |_| rules::answer(kind))?;
    let steps =
        lists.named("steps", &entry.steps, step_names(kind), rules::STEPS, |name| rules::step(kind, name))?;
    Ok(Lists { questions, answers, steps })
}

struct Checker<'a> {
    kind: Kind,
    file: &'a str,
}

impl Checker<'_> {
    fn fail<T>(&self, place: &str, detail: String) -> Result<T> {
        Err(QaError::Template {
            file: self.file.into(),
            place: if place.is_empty() { self.kind.name().into() } else { format!("{} {place}", self.kind) },
            detail,
        })
    }

    fn named(
        &self,
        what: &str,
        given: &BTreeMap<String, Vec<String>>,
        names: &[&str],
        least: usize,
        rule: impl Fn(&str) -> Rule,
    ) -> Result<Vec<Vec<Template>>> {
        if let Some(unknown) = given.keys().find(|name| !names.contains(&name.as_str())) {
            let known = if names.is_empty() { "none".into() } else { names.join(", ") };
            return self.fail(what, format!("unknown list `{unknown}`; expected {known}"));
        }
        names
            .iter()
            .map(|name| {
                let place = format!("{what}.{name}");
                match given.get(*name) {
                    Some(texts) => self.list(&place, texts, least, &rule(name)),
                    None => self.fail(&place, "missing".into()),
                }
            })
            .collect()
    }

    fn list(&self, place: &str, texts: &[String], least: usize, rule: &Rule) -> Result<Vec<Template>> {
        if texts.len() < least {
            return self.fail(place, format!("{} templates, expected {least} or more", texts.len()));
        }
        let mut templates = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let fail =
                |detail: String| self.fail(&format!("{place}[{index}]"), format!("{detail}, in `{text}`"));
            if let Some(first) = texts.iter().take(index).position(|other| other.eq_ignore_ascii_case(text)) {
                return fail(format!("the same as number {first}"));
            }
            if let Err(detail) = check_text(text, rule.sentence) {
                return fail(detail);
            }
            let template = match Template::parse(text) {
                Ok(template) => template,
                Err(detail) => return fail(detail),
            };
            if let Some(slot) = template.used().find(|slot| !rule.allows(*slot)) {
                return fail(format!("slot `{{{}}}` is not one of this list", slot.name()));
            }
            if let Some(group) =
                rule.required.iter().find(|group| !template.shown().any(|slot| group.contains(&slot)))
            {
                let names: Vec<String> = group.iter().map(|slot| format!("`{{{}}}`", slot.name())).collect();
                return fail(format!("slot {} is missing", names.join(" or ")));
            }
            templates.push(template);
        }
        Ok(templates)
    }
}

/// Blanks, punctuation and capitals.
fn check_text(text: &str, sentence: bool) -> std::result::Result<(), String> {
    if text.trim().is_empty() {
        return Err("empty".into());
    }
    if text.trim() != text {
        return Err("a blank at the start or the end".into());
    }
    if text.chars().any(char::is_control) || text.contains("  ") {
        return Err("a line break, a tab or two blanks in a row".into());
    }
    if [" .", " ?", " ,", ",,", "..", "??", ",.", "?."].iter().any(|pair| text.contains(pair)) {
        return Err("a punctuation mark after a blank or after another one".into());
    }
    if text.starts_with(char::is_lowercase) {
        return Err("a small letter at the start".into());
    }
    if sentence && !text.ends_with(['.', '?', '!']) {
        return Err("no punctuation mark at the end".into());
    }
    Ok(())
}
