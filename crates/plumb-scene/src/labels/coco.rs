//! Objects from COCO JSON (`instances_*.json`, LVIS and what annotation tools export in its form).
//!
//! Source: the COCO data format page: `images` [{id, file_name, width, height}], `categories` [{id, name}], `annotations` [{image_id,
//! category_id, segmentation, iscrowd, bbox}].

use std::collections::HashMap;

use serde::Deserialize;

use super::paint::{Shape, paint};
use super::{check_size, noun, parse, plural, polygon, rle, wrong};
use crate::scene::{Attributes, NameSource};
use crate::{Instances, Label, Result};

#[derive(Debug, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) images: Vec<Image>,
    #[serde(default)]
    pub(super) categories: Vec<Category>,
    pub(super) annotations: Vec<Annotation>,
}

/// COCO's ids are numbers; some tools write text.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(untagged)]
pub(super) enum Id {
    Number(i64),
    Text(String),
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(&text.chars().take(60).collect::<String>()),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Image {
    id: Id,
    #[serde(default)]
    file_name: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Category {
    id: Id,
    name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Annotation {
    #[serde(default)]
    id: Option<Id>,
    image_id: Id,
    category_id: Id,
    #[serde(default)]
    segmentation: Option<Segmentation>,
    #[serde(default)]
    pub(super) bbox: Option<[f64; 4]>,
    #[serde(default)]
    pub(super) iscrowd: Crowd,
    #[serde(default)]
    pub(super) caption: Option<String>,
    /// Other keys than these are other tools' business.
    #[serde(default)]
    attributes: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(from = "serde_json::Value")]
pub(super) struct Crowd(pub(super) bool);

impl From<serde_json::Value> for Crowd {
    fn from(value: serde_json::Value) -> Self {
        Self(value == serde_json::Value::Bool(true) || value.as_f64().is_some_and(|number| number != 0.0))
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Segmentation {
    Polygons(Vec<Vec<f64>>),
    Runs { size: [u32; 2], counts: Counts },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Counts {
    List(Vec<u32>),
    Packed(String),
}

/// The annotations of one picture.
pub(super) struct Selection<'a> {
    categories: HashMap<String, &'a str>,
    pub(super) annotations: Vec<(String, &'a Annotation)>,
}

/// Those of `image` (a file name, with or without its folders, or an id), which must have this size if the file states one.
pub(super) fn select<'a>(file: &'a File, name: &str, image: &str, size: (u32, u32)) -> Result<Selection<'a>> {
    let base = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
    let exact = file.images.iter().find(|entry| entry.file_name == image);
    let by_id = || file.images.iter().find(|entry| entry.id.to_string() == image);
    let by_base =
        || file.images.iter().find(|entry| !image.is_empty() && base(&entry.file_name) == base(image));
    let Some(entry) = exact.or_else(by_id).or_else(by_base) else {
        let image: String = image.chars().take(100).collect();
        return wrong(name, format!("no image '{image}' among its {}", file.images.len()));
    };
    if let (Some(w), Some(h)) = (entry.width, entry.height)
        && (w, h) != size
    {
        return wrong(name, format!("the image is {w}x{h} here, but its depth is {}x{}", size.0, size.1));
    }
    let categories =
        file.categories.iter().map(|entry| (entry.id.to_string(), entry.name.as_str())).collect();
    let annotations = (1..)
        .zip(&file.annotations)
        .filter(|(_, annotation)| annotation.image_id == entry.id && !annotation.iscrowd.0)
        .map(|(at, annotation)| match &annotation.id {
            Some(id) => (format!("annotation {id}"), annotation),
            None => (format!("annotation {at} of the file"), annotation),
        })
        .collect();
    Ok(Selection { categories, annotations })
}

impl Selection<'_> {
    /// The label of an annotation, still without a number.
    pub(super) fn label(&self, which: &str, annotation: &Annotation, name: &str) -> Result<Label> {
        let id = &annotation.category_id;
        let Some(category) = self.categories.get(&id.to_string()) else {
            return wrong(name, format!("{which} has the category {id}, which the file does not list"));
        };
        // LVIS and others write "coffee_table".
        let noun = noun(&category.replace('_', " "), name)?.to_owned();
        let text = |keys: &[&str]| {
            let map = annotation.attributes.as_ref()?;
            let found = keys.iter().find_map(|key| map.get(*key)?.as_str())?;
            super::noun(found, name).ok().map(str::to_owned)
        };
        let caption = match &annotation.caption {
            Some(caption) => Some(super::noun(caption, name)?.to_owned()),
            None => text(&["caption"]),
        };
        let attributes = Attributes {
            colour: text(&["colour", "color"]),
            material: text(&["material"]),
            pattern: text(&["pattern"]),
            caption,
        };
        Ok(Label { id: 0, plural: plural(&noun), name: noun, named_by: NameSource::Label, attributes })
    }
}

/// The masks of one picture. `image` is its file name (folders do not count) or id; `width` and `height` are the picture's.
///
/// Polygons are filled at pixel centres; the polygons of one object are joined. Crowd regions are not objects and are skipped. Where masks
/// overlap the smaller is on top. Numbers are given in the order of the file.
///
/// # Errors
/// [`crate::SceneError::Format`] naming the file (`name`) and the annotation: JSON that is not COCO's, a picture that is not in it or has another size, a
/// category that is not listed, an annotation without a mask, runs or points that do not fit the picture.
pub fn coco(json: &[u8], name: &str, image: &str, width: u32, height: u32) -> Result<Instances> {
    check_size(name, width, height)?;
    let file: File = parse(json, name)?;
    let selection = select(&file, name, image, (width, height))?;
    let mut objects = Vec::with_capacity(selection.annotations.len());
    for (which, annotation) in &selection.annotations {
        let label = selection.label(which, annotation, name)?;
        let shape = match &annotation.segmentation {
            Some(segmentation) => shape(segmentation, width, height),
            None => Err("no mask; a file of boxes is read as boxes".to_owned()),
        };
        match shape {
            Ok(shape) => objects.push((shape, label)),
            Err(detail) => return wrong(name, format!("{which}: {detail}")),
        }
    }
    paint(objects, (width, height), name)
}

fn shape(segmentation: &Segmentation, width: u32, height: u32) -> Result<Shape, String> {
    match segmentation {
        Segmentation::Polygons(polygons) if polygons.is_empty() => Err("no polygon".to_owned()),
        Segmentation::Polygons(polygons) => {
            let mut runs = Vec::new();
            for points in polygons {
                runs.extend(polygon::fill(points, width, height)?);
            }
            Ok(Shape { runs, by_column: false })
        }
        Segmentation::Runs { size: [rows, columns], .. } if (*columns, *rows) != (width, height) => {
            Err(format!("run lengths of a {columns}x{rows} picture, expected {width}x{height}"))
        }
        Segmentation::Runs { counts: Counts::List(counts), .. } => rle::from_counts(counts, width, height),
        Segmentation::Runs { counts: Counts::Packed(text), .. } => {
            rle::from_counts(&rle::unpack(text)?, width, height)
        }
    }
}
