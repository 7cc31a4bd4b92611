//! Reading the fields of a config object with errors that name field, expected and found.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::{AdapterError, Result};

/// One JSON object of a config file. Null counts as absent, as in PEFT.
pub(crate) struct Fields<'a> {
    pub(crate) file: &'a str,
    map: &'a Map<String, Value>,
    seen: RefCell<BTreeSet<&'static str>>,
}

/// A value as the message shows it: short, on one line.
pub(crate) fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > 80 {
        let cut = (0..=77).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        text.truncate(cut);
        text.push_str("...");
    }
    text
}

impl<'a> Fields<'a> {
    pub(crate) fn new(file: &'a str, value: &'a Value, field: &str) -> Result<Self> {
        match value {
            Value::Object(map) => Ok(Self { file, map, seen: RefCell::default() }),
            other => Err(AdapterError::Field {
                file: file.to_owned(),
                field: field.to_owned(),
                expected: "an object".to_owned(),
                found: shown(other),
            }),
        }
    }

    pub(crate) fn get(&self, name: &'static str) -> Option<&'a Value> {
        self.seen.borrow_mut().insert(name);
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn wrong(&self, field: &str, expected: &str, found: Option<&Value>) -> AdapterError {
        AdapterError::Field {
            file: self.file.to_owned(),
            field: field.to_owned(),
            expected: expected.to_owned(),
            found: found.map_or_else(|| "nothing".to_owned(), shown),
        }
    }

    pub(crate) fn unsupported(&self, field: &str, found: &Value, reason: &str) -> AdapterError {
        AdapterError::Unsupported {
            file: self.file.to_owned(),
            field: field.to_owned(),
            found: shown(found),
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn flag(&self, name: &'static str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(name, "true or false", Some(other))),
        }
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong(name, "a string", Some(other))),
        }
    }

    pub(crate) fn positive(&self, name: &'static str) -> Result<Option<usize>> {
        self.get(name).map(|value| self.positive_value(name, value)).transpose()
    }

    pub(crate) fn positive_value(&self, name: &str, value: &Value) -> Result<usize> {
        let count = value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
        count.ok_or_else(|| self.wrong(name, "a whole number of at least 1", Some(value)))
    }

    pub(crate) fn number(&self, name: &'static str) -> Result<Option<f64>> {
        self.get(name).map(|value| self.number_value(name, value)).transpose()
    }

    pub(crate) fn number_value(&self, name: &str, value: &Value) -> Result<f64> {
        let number = value.as_f64().filter(|n| n.is_finite());
        number.ok_or_else(|| self.wrong(name, "a finite number", Some(value)))
    }

    /// A rate in [0, 1).
    pub(crate) fn rate(&self, name: &'static str) -> Result<f64> {
        let rate = self.number(name)?.unwrap_or(0.0);
        if (0.0..1.0).contains(&rate) {
            Ok(rate)
        } else {
            Err(self.wrong(name, "a number from 0 up to but not 1", self.get(name)))
        }
    }

    pub(crate) fn names(&self, name: &'static str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let error = || self.wrong(name, "a list of strings", Some(value));
        let list = value.as_array().ok_or_else(error)?;
        list.iter().map(|v| v.as_str().map(str::to_owned).ok_or_else(error)).collect::<Result<_>>().map(Some)
    }

    /// Fields that carry nothing we need.
    pub(crate) fn skip(&self, names: &[&'static str]) {
        self.seen.borrow_mut().extend(names);
    }

    /// The fields nobody asked about.
    pub(crate) fn ignored(&self) -> Vec<String> {
        let seen = self.seen.borrow();
        self.map.keys().filter(|key| !seen.contains(key.as_str())).cloned().collect()
    }
}

/// True for the values with which Python's `if` skips a field.
pub(crate) fn is_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// A number written as Python would have kept it: 16 stays 16, 0.5 stays 0.5.
pub(crate) fn plain_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}
