//! The columns of the file.

use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::dataset::DatasetMeta;

/// Value of the metadata key `plumbline.format`.
pub const FORMAT: &str = "plumbline-qa";
/// Value of the metadata key `plumbline.format_version`. A reader refuses later ones.
pub const FORMAT_VERSION: u32 = 1;

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Int,
    Double,
    Bool,
    Texts,
    Ints,
    Doubles,
    Floats,
}

impl Type {
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::Texts | Self::Ints | Self::Doubles | Self::Floats)
    }

    const fn physical(self) -> &'static str {
        match self {
            Self::Text | Self::Texts => "binary",
            Self::Int | Self::Ints => "int32",
            Self::Double | Self::Doubles => "double",
            Self::Floats => "float",
            Self::Bool => "boolean",
        }
    }

    /// The name in `datasets`.
    const fn feature(self) -> &'static str {
        match self {
            Self::Text | Self::Texts => "string",
            Self::Int | Self::Ints => "int32",
            Self::Double | Self::Doubles => "float64",
            Self::Floats => "float32",
            Self::Bool => "bool",
        }
    }

    /// For messages.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Text => "texts",
            Self::Int => "whole numbers",
            Self::Double => "numbers",
            Self::Bool => "truth values",
            Self::Texts => "lists of texts",
            Self::Ints => "lists of whole numbers",
            Self::Doubles | Self::Floats => "lists of numbers",
        }
    }
}

pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) ty: Type,
    /// Whether a cell may be null.
    pub(super) nullable: bool,
    /// Whether values repeat often enough for a dictionary.
    dictionary: bool,
    /// Whether least and greatest value let a reader skip a row group.
    statistics: bool,
}

const fn column(name: &'static str, ty: Type) -> Column {
    Column { name, ty, nullable: false, dictionary: true, statistics: false }
}

impl Column {
    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// Measurements and sentences hardly repeat: a dictionary of them would be built and thrown away.
    const fn plain(mut self) -> Self {
        self.dictionary = false;
        self
    }

    const fn ranged(mut self) -> Self {
        self.statistics = true;
        self
    }
}

/// In the order of the file.
pub(super) const COLUMNS: &[Column] = &[
    column("scene_id", Type::Text).ranged(),
    column("image", Type::Text),
    column("image_width", Type::Int),
    column("image_height", Type::Int),
    column("image_sha256", Type::Text),
    column("kind", Type::Text).ranged(),
    column("question_template", Type::Int),
    column("answer_template", Type::Int),
    column("objects", Type::Ints),
    column("mention_objects", Type::Ints),
    column("mention_by", Type::Texts),
    column("mentions", Type::Texts),
    column("rank", Type::Int),
    column("category", Type::Text),
    column("options", Type::Texts),
    column("answer_form", Type::Text),
    column("answer_bool", Type::Bool).nullable().plain(),
    column("answer_index", Type::Int).nullable(),
    column("answer_side", Type::Text).nullable(),
    column("answer_number", Type::Int).nullable(),
    column("value_m", Type::Double).nullable().plain().ranged(),
    column("sigma_m", Type::Double).nullable().plain(),
    column("unit", Type::Text).nullable(),
    column("value_text", Type::Text).nullable(),
    column("said_m", Type::Double).nullable(),
    column("tolerance_m", Type::Double).nullable(),
    column("mark_objects", Type::Ints),
    column("mark_colours", Type::Texts),
    column("mark_rects", Type::Floats).plain(),
    column("proof_points", Type::Doubles).plain(),
    column("proof_names", Type::Texts),
    column("proof_objects", Type::Ints),
    column("proof_values", Type::Doubles).plain(),
    column("proof_sigmas", Type::Doubles).plain(),
    column("question", Type::Text).nullable().plain(),
    column("answer", Type::Text).nullable(),
    column("steps", Type::Texts).plain(),
    column("geometry", Type::Text).nullable().plain(),
];

/// The schema in Parquet's own language.
pub(super) fn message() -> String {
    let mut text = "message schema {\n".to_owned();
    for column in COLUMNS {
        let Column { name, ty, nullable, .. } = column;
        let presence = if *nullable { "optional" } else { "required" };
        let string = if matches!(ty, Type::Text | Type::Texts) { " (STRING)" } else { "" };
        let physical = ty.physical();
        text += &if ty.is_list() {
            format!(
                "  {presence} group {name} (LIST) {{ repeated group list {{ required {physical} element{string}; }} }}\n"
            )
        } else {
            format!("  {presence} {physical} {name}{string};\n")
        };
    }
    text + "}"
}

/// The `features` that `datasets` reads. `image` stays a text: it is a path, and files are not inside.
fn features() -> String {
    let value = |ty: Type| serde_json::json!({"dtype": ty.feature(), "_type": "Value"});
    let features: serde_json::Map<String, serde_json::Value> = COLUMNS
        .iter()
        .map(|column| {
            let feature = if column.ty.is_list() {
                serde_json::json!({"feature": value(column.ty), "_type": "Sequence"})
            } else {
                value(column.ty)
            };
            (column.name.to_owned(), feature)
        })
        .collect();
    serde_json::json!({"info": {"features": features}}).to_string()
}

pub(super) fn properties(meta: &DatasetMeta) -> WriterProperties {
    let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let metadata = vec![
        pair("plumbline.format", FORMAT.to_owned()),
        pair("plumbline.format_version", FORMAT_VERSION.to_string()),
        pair("plumbline.version", env!("CARGO_PKG_VERSION").to_owned()),
        pair("plumbline.seed", meta.seed.to_string()),
        pair("plumbline.options", meta.options.to_string()),
        pair("plumbline.templates", meta.templates.clone()),
        pair("plumbline.text", meta.text.to_string()),
        pair("huggingface", features()),
    ];
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(metadata));
    for column in COLUMNS {
        let mut path = vec![column.name.to_owned()];
        if column.ty.is_list() {
            path.extend(["list".to_owned(), "element".to_owned()]);
        }
        let path = ColumnPath::from(path);
        if !column.dictionary {
            properties = properties.set_column_dictionary_enabled(path.clone(), false);
        }
        if column.statistics {
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::Chunk);
        }
    }
    properties.build()
}

/// Reads back what [`properties`] wrote. Keys that are missing (another tool wrote the file) keep their defaults.
pub(super) fn meta_of(pairs: &[KeyValue]) -> Result<DatasetMeta, String> {
    let get = |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref());
    if let Some(format) = get("plumbline.format").filter(|&format| format != FORMAT) {
        return Err(format!("its metadata says it is `{format}`, expected `{FORMAT}`"));
    }
    if let Some(version) = get("plumbline.format_version")
        && !version.parse::<u32>().is_ok_and(|version| version <= FORMAT_VERSION)
    {
        return Err(format!("it has format version {version}, this program reads up to {FORMAT_VERSION}"));
    }
    let options = get("plumbline.options").and_then(|text| serde_json::from_str(text).ok());
    Ok(DatasetMeta {
        seed: get("plumbline.seed").and_then(|seed| seed.parse().ok()).unwrap_or(0),
        options: options.unwrap_or_default(),
        templates: get("plumbline.templates").unwrap_or_default().to_owned(),
        text: get("plumbline.text") != Some("false"),
    })
}
