//! Frames of `nyu_depth_v2_labeled.mat`.
//!
//! The file is HDF5 behind a block of 512 bytes of MATLAB's. MATLAB stores columns first, so that the axes are reversed: `images` is
//! (frame, channel, column, row). `names` refers to one array of characters for each class. An object is a pair of class and instance,
//! neither of them 0 (`get_instance_masks.m` of the toolbox).

use std::collections::BTreeMap;
use std::path::Path;

use hdf5_reader::reference::read_object_references;
use hdf5_reader::{Hdf5File, SliceInfo, SliceInfoElem};
use plumb_geometry::{DepthMap, ZDepth};
use plumb_image::RgbImage;

use super::raster::{pixels, wrong};
use crate::labels::plural;
use crate::scene::{Attributes, NameSource};
use crate::{Instances, Label, Result, SceneError};

/// A labelled frame.
#[derive(Clone, Debug)]
pub struct NyuFrame {
    pub image: RgbImage,
    /// Inpainted depth along the optical axis, as the file has it.
    pub depth: ZDepth,
    /// Everything with a class and an instance number, walls and floors included.
    pub instances: Instances,
}

/// Reads frame `index` (from 0) of a MATLAB 7.3 file in the layout of `nyu_depth_v2_labeled.mat`. Only that frame is read.
///
/// # Errors
/// [`SceneError::Io`] or [`SceneError::Format`] naming the file and the data set that is absent or has another shape.
pub fn read_nyu_mat(path: &Path, index: usize) -> Result<NyuFrame> {
    let name = path.display().to_string();
    // Its absence is an error of its own kind.
    std::fs::metadata(path).map_err(|source| SceneError::Io { path: name.clone(), source })?;
    let failed = |what: &str| {
        let (path, what) = (name.clone(), what.to_owned());
        move |error: hdf5_reader::error::Error| SceneError::Format {
            path,
            detail: format!("{what}: {error}"),
        }
    };
    let file = Hdf5File::open(path).map_err(failed("not a MATLAB 7.3 file"))?;

    let shape = file.dataset("/depths").map_err(failed("depths"))?.shape().to_vec();
    let [count, columns, rows] = *shape.as_slice() else {
        return wrong(&name, format!("depths has {} dimensions, expected 3", shape.len()));
    };
    let index = index as u64;
    if index >= count {
        return wrong(&name, format!("no frame {index}: there are {count}, counted from 0"));
    }
    let (width, height) = pixels(&name, columns, rows)?;

    let frame = Frame { file: &file, name: &name, index, size: [columns, rows] };
    let depths: Vec<f32> = frame.plane("depths", None)?;
    let mut rgb = vec![0u8; depths.len() * 3];
    for channel in 0..3 {
        let plane: Vec<u8> = frame.plane("images", Some(channel))?;
        for (pixel, value) in rgb.chunks_exact_mut(3).zip(plane) {
            pixel[channel as usize] = value;
        }
    }
    let classes: Vec<u16> = frame.plane("labels", None)?;
    let numbers: Vec<u8> = frame.plane("instances", None)?;

    // Ids count the pairs in the order of class and instance: the same whatever is seen first.
    let mut pairs: BTreeMap<(u16, u8), u16> = BTreeMap::new();
    for (&class, &number) in classes.iter().zip(&numbers) {
        if class != 0 && number != 0 {
            pairs.insert((class, number), 0);
        }
    }
    if pairs.len() > usize::from(u16::MAX) {
        return wrong(&name, format!("frame {index} has {} objects, more than 65535", pairs.len()));
    }
    for (id, slot) in (1..).zip(pairs.values_mut()) {
        *slot = id;
    }
    let ids = classes.iter().zip(&numbers).map(|(&c, &n)| pairs.get(&(c, n)).copied().unwrap_or(0)).collect();
    let classes = class_names(&file, &name, pairs.keys().map(|&(class, _)| class))?;
    let labels = pairs
        .iter()
        .map(|(&(class, _), &id)| {
            let noun = classes.get(&class).cloned().unwrap_or_else(|| format!("class {class}"));
            let plural = plural(&noun);
            Label { id, name: noun, plural, named_by: NameSource::Label, attributes: Attributes::default() }
        })
        .collect();
    Ok(NyuFrame {
        image: RgbImage::new(width, height, rgb)?,
        depth: ZDepth(DepthMap::new(width, height, depths)?),
        instances: Instances::new(width, height, ids, labels)?,
    })
}

struct Frame<'a> {
    file: &'a Hdf5File,
    name: &'a str,
    index: u64,
    /// Columns and rows.
    size: [u64; 2],
}

impl Frame<'_> {
    /// One plane of a data set, row by row.
    fn plane<T: hdf5_reader::datatype_api::H5Type + Copy>(
        &self,
        key: &str,
        channel: Option<u64>,
    ) -> Result<Vec<T>> {
        let failed = |error: hdf5_reader::error::Error| SceneError::Format {
            path: self.name.to_owned(),
            detail: format!("{key}: {error}"),
        };
        let data = self.file.dataset(key).map_err(failed)?;
        let mut wanted = vec![SliceInfoElem::Index(self.index)];
        wanted.extend(channel.map(SliceInfoElem::Index));
        let lead = wanted.len();
        let shape = data.shape();
        if shape.len() != lead + 2 || shape.get(lead..) != Some(&self.size[..]) || shape[0] <= self.index {
            let [columns, rows] = self.size;
            return wrong(
                self.name,
                format!("{key} has the shape {shape:?}, expected frames of {columns}x{rows}"),
            );
        }
        wanted.extend(self.size.map(|end| SliceInfoElem::Slice { start: 0, end, step: 1 }));
        let slice = data.read_slice::<T>(&SliceInfo { selections: wanted }).map_err(failed)?;
        let [columns, rows] = self.size.map(|side| usize::try_from(side).unwrap_or_default());
        let flat: Vec<T> = slice.iter().copied().collect();
        if flat.len() != columns * rows {
            return wrong(self.name, format!("{key}: {} values of {}", flat.len(), columns * rows));
        }
        Ok((0..rows).flat_map(|row| flat.iter().skip(row).step_by(rows).copied()).collect())
    }
}

/// The names of these classes (from 1). Absent where the file refers to nothing readable.
fn class_names(
    file: &Hdf5File,
    name: &str,
    wanted: impl Iterator<Item = u16>,
) -> Result<BTreeMap<u16, String>> {
    let failed = |error: hdf5_reader::error::Error| SceneError::Format {
        path: name.to_owned(),
        detail: format!("names: {error}"),
    };
    let mut found = BTreeMap::new();
    let mut classes: Vec<u16> = wanted.collect();
    classes.dedup();
    if classes.is_empty() {
        return Ok(found);
    }
    let data = file.dataset("/names").map_err(failed)?;
    if data.num_elements().map_err(failed)? > 65_536 {
        return wrong(name, "names: more than 65536 classes");
    }
    let references = data.read_raw_bytes().map_err(failed)?;
    let addresses = read_object_references(&references, file.superblock().offset_size).map_err(failed)?;
    let group = file.group("/#refs#").map_err(failed)?;
    let texts: BTreeMap<u64, hdf5_reader::Dataset> =
        group.datasets().map_err(failed)?.into_iter().map(|text| (text.address(), text)).collect();
    for class in classes {
        let text = addresses.get(usize::from(class) - 1).and_then(|address| texts.get(address));
        let Some(text) = text else { continue };
        if text.num_elements().map_err(failed)? > 256 {
            return wrong(name, format!("names: that of class {class} is longer than 256 characters"));
        }
        let letters = text.read_array::<u16>().map_err(failed)?;
        let letters: Vec<u16> = letters.iter().copied().collect();
        found.insert(class, String::from_utf16_lossy(&letters));
    }
    Ok(found)
}
