//! Which modules of a model an adapter attaches to: PEFT's matching, rule for rule.
//!
//! Source: `huggingface/peft: src/peft/tuners/tuners_utils.py` (`check_target_module_exists`,
//! `_maybe_include_all_linear_layers`) and `src/peft/utils/other.py` (`get_pattern_key`, `_set_trainable`).

use std::collections::BTreeSet;

use super::error::{AdapterError, Result, some_names};
use super::pattern::PyRegex;

/// What a module of the base model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModuleKind {
    Linear,
    Embedding,
    Norm,
    Conv,
}

impl ModuleKind {
    pub(crate) fn article(self) -> &'static str {
        match self {
            Self::Linear => "a linear layer",
            Self::Embedding => "an embedding",
            Self::Norm => "a norm",
            Self::Conv => "a convolution",
        }
    }
}

/// A module of the base model that holds weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleInfo {
    /// Path in the Hugging Face module tree, without PEFT's `base_model.model.`, e.g.
    /// `model.text_model.layers.0.self_attn.q_proj`.
    pub path: String,
    pub kind: ModuleKind,
    /// Features in; the vocabulary of an embedding; channels in of a convolution. A norm has its width in both.
    pub input: usize,
    /// Features out; the width of an embedding; channels out of a convolution.
    pub output: usize,
    pub bias: bool,
}

/// The seven linear layers of every text layer of SmolVLM and Idefics3, and nothing of the vision tower.
pub const TEXT_TARGETS: &str =
    r"model\.text_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)";
/// The six linear layers of every layer of the vision tower.
pub const VISION_TARGETS: &str =
    r"model\.vision_model\.encoder\.layers\.\d+\.(self_attn\.((q|k|v)_proj|out_proj)|mlp\.fc[12])";
/// [`TEXT_TARGETS`] and [`VISION_TARGETS`].
pub const TEXT_AND_VISION_TARGETS: &str = concat!(
    r"model\.(text_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)",
    r"|vision_model\.encoder\.layers\.\d+\.(self_attn\.((q|k|v)_proj|out_proj)|mlp\.fc[12]))"
);

/// Module names as an adapter's config gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Each matches the module of that name and every module whose path ends with a dot and the name.
    List(Vec<String>),
    /// A Python regular expression for the whole path, or "all-linear".
    Pattern(String),
}

impl Names {
    pub(crate) fn is_all_linear(&self) -> bool {
        matches!(self, Self::Pattern(text) if text.to_lowercase() == "all-linear")
    }

    pub(crate) fn display(&self) -> String {
        match self {
            Self::List(names) => format!("{names:?}"),
            Self::Pattern(pattern) => format!("{pattern:?}"),
        }
    }
}

/// `layers_to_transform` of a config.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Layers {
    pub indices: Vec<i64>,
    /// `layers_pattern`: names of the list that is numbered; empty means any.
    pub patterns: Vec<String>,
}

#[derive(Debug)]
enum Matcher {
    List(Vec<String>),
    Regex(PyRegex),
}

enum Hit {
    No,
    Exact,
    Tail,
}

impl Matcher {
    fn new(field: &str, names: &Names) -> Result<Self> {
        Ok(match names {
            Names::List(list) => Self::List(list.clone()),
            Names::Pattern(pattern) => Self::Regex(PyRegex::full(field, pattern)?),
        })
    }

    fn hit(&self, key: &str) -> Result<Hit> {
        Ok(match self {
            // A pattern counts as exact: the layer filter is for lists only.
            Self::Regex(regex) if regex.is_match(key)? => Hit::Exact,
            Self::List(list) if list.iter().any(|name| name == key) => Hit::Exact,
            Self::List(list) if list.iter().any(|name| is_tail(key, name)) => Hit::Tail,
            _ => Hit::No,
        })
    }
}

fn is_tail(key: &str, name: &str) -> bool {
    key.strip_suffix(name).is_some_and(|head| head.ends_with('.'))
}

/// Everything that decides whether a module is adapted.
pub(crate) struct Rules<'a> {
    pub(crate) target: &'a Names,
    pub(crate) exclude: Option<&'a Names>,
    pub(crate) layers: Option<&'a Layers>,
    pub(crate) save: &'a [String],
}

/// Compiled [`Rules`].
#[derive(Debug)]
pub(crate) struct TargetMatcher {
    target: Matcher,
    exclude: Option<Matcher>,
    saved: Vec<PyRegex>,
    layers: Option<(Vec<i64>, Vec<PyRegex>)>,
}

impl TargetMatcher {
    /// `modules` are needed for "all-linear", which stands for every linear layer but the output head.
    pub(crate) fn new(rules: &Rules<'_>, modules: &[ModuleInfo]) -> Result<Self> {
        let target = if rules.target.is_all_linear() {
            let linear = modules.iter().filter(|m| m.kind == ModuleKind::Linear && !is_head(&m.path));
            Matcher::List(linear.map(|module| module.path.clone()).collect())
        } else {
            Matcher::new("target_modules", rules.target)?
        };
        let exclude = rules.exclude.filter(|names| !matches!(names, Names::List(list) if list.is_empty()));
        let exclude = exclude.filter(|names| !matches!(names, Names::Pattern(text) if text.is_empty()));
        let exclude = exclude.map(|names| Matcher::new("exclude_modules", names)).transpose()?;
        let saved = rules
            .save
            .iter()
            .map(|name| PyRegex::embedded("modules_to_save", name, &format!(r"(^|.*\.){name}($|\..*)")));
        let saved = saved.collect::<Result<_>>()?;
        let layers =
            rules.layers.filter(|layers| !layers.indices.is_empty()).map(compile_layers).transpose()?;
        Ok(Self { target, exclude, saved, layers })
    }

    pub(crate) fn matches(&self, key: &str) -> Result<bool> {
        if let Some(exclude) = &self.exclude
            && !matches!(exclude.hit(key)?, Hit::No)
        {
            return Ok(false);
        }
        for saved in &self.saved {
            if saved.is_match(key)? {
                return Ok(false);
            }
        }
        match (self.target.hit(key)?, &self.layers) {
            (Hit::No, _) => Ok(false),
            (Hit::Exact, _) | (Hit::Tail, None) => Ok(true),
            (Hit::Tail, Some((indices, patterns))) => in_layers(key, indices, patterns),
        }
    }
}

fn is_head(path: &str) -> bool {
    path == "lm_head" || is_tail(path, "lm_head")
}

fn compile_layers(layers: &Layers) -> Result<(Vec<i64>, Vec<PyRegex>)> {
    let patterns = if layers.patterns.is_empty() {
        vec![PyRegex::embedded("layers_to_transform", "", r".*?\.[^.]*\.(?P<idx>\d+)\.")?]
    } else {
        let compile = |pattern: &String| {
            let expression = format!(r"(?:^|.*?\.){pattern}\.(?P<idx>\d+)\.");
            PyRegex::embedded("layers_pattern", pattern, &expression)
        };
        layers.patterns.iter().map(compile).collect::<Result<_>>()?
    };
    Ok((layers.indices.clone(), patterns))
}

fn in_layers(key: &str, indices: &[i64], patterns: &[PyRegex]) -> Result<bool> {
    for pattern in patterns {
        if let Some(index) = pattern.group(key, "idx")? {
            let index = index.and_then(|text| text.parse::<i64>().ok());
            return Ok(index.is_some_and(|index| indices.contains(&index)));
        }
    }
    Ok(false)
}

/// The adapted modules in the order of the model, and the modules saved whole.
pub(crate) fn select<'m>(
    rules: &Rules<'_>,
    modules: &'m [ModuleInfo],
) -> Result<(Vec<&'m ModuleInfo>, Vec<&'m ModuleInfo>)> {
    let matcher = TargetMatcher::new(rules, modules)?;
    let mut adapted = Vec::new();
    for module in modules {
        if matcher.matches(&module.path)? {
            adapted.push(module);
        }
    }
    if adapted.is_empty() {
        let wanted = rules.target.display();
        return Err(no_match("target_modules", wanted, modules));
    }
    for container in containers(modules) {
        if matcher.matches(container)? {
            return Err(AdapterError::Kind {
                field: "target_modules".to_owned(),
                module: container.to_owned(),
                found: "a group of modules".to_owned(),
                expected: "single layers only".to_owned(),
            });
        }
    }
    let saved = saved_modules(rules.save, modules)?;
    if let Some(both) = adapted.iter().find(|module| saved.contains(module)) {
        return Err(AdapterError::Conflict { module: both.path.clone() });
    }
    Ok((adapted, saved))
}

/// The modules that hold other modules: every proper prefix of a path.
fn containers(modules: &[ModuleInfo]) -> BTreeSet<&str> {
    let prefixes = modules.iter().flat_map(|m| m.path.match_indices('.').map(|(dot, _)| &m.path[..dot]));
    let leaves: BTreeSet<&str> = modules.iter().map(|module| module.path.as_str()).collect();
    prefixes.filter(|prefix| !leaves.contains(prefix)).collect()
}

/// The modules that `modules_to_save` stores whole: PEFT wraps every module or group whose path ends with a name.
pub(crate) fn saved_modules<'m>(names: &[String], modules: &'m [ModuleInfo]) -> Result<Vec<&'m ModuleInfo>> {
    let covers = |module: &ModuleInfo, name: &str| {
        let ends = module.path.match_indices('.').map(|(dot, _)| dot).chain([module.path.len()]);
        ends.into_iter().any(|end| module.path[..end].ends_with(name))
    };
    for name in names {
        if !modules.iter().any(|module| covers(module, name)) {
            return Err(no_match("modules_to_save", format!("{name:?}"), modules));
        }
    }
    Ok(modules.iter().filter(|module| names.iter().any(|name| covers(module, name))).collect())
}

fn no_match(field: &str, wanted: String, modules: &[ModuleInfo]) -> AdapterError {
    let mut wanted = wanted;
    if wanted.chars().count() > 200 {
        wanted = wanted.chars().take(200).chain("...".chars()).collect();
    }
    let examples = some_names(modules.iter().map(|module| &module.path));
    AdapterError::NoMatch { field: field.to_owned(), wanted, examples }
}

/// A value that depends on the module: the first key that equals the module's path or its tail after a dot, as a
/// pattern anchored at the end, decides.
#[derive(Debug)]
pub(crate) struct PerModule<T> {
    keys: Vec<(PyRegex, T)>,
}

impl<T: Copy> PerModule<T> {
    pub(crate) fn new(field: &str, entries: &[(String, T)]) -> Result<Self> {
        let compile = |(key, value): &(String, T)| {
            Ok((PyRegex::embedded(field, key, &format!(r"(.*\.)?({key})$"))?, *value))
        };
        Ok(Self { keys: entries.iter().map(compile).collect::<Result<_>>()? })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Option<T>> {
        for (regex, value) in &self.keys {
            if regex.is_match(path)? {
                return Ok(Some(*value));
            }
        }
        Ok(None)
    }
}
