//! Many masks to one number a pixel.

use super::wrong;
use crate::{Instances, Label, Result};

/// The pixels of one object as runs of indices `(start, length)`, in rows or in columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) runs: Vec<(u32, u32)>,
    /// Indices count down the columns (COCO's run lengths) instead of along the rows.
    pub(super) by_column: bool,
}

impl Shape {
    /// Pixels; those that are in two runs (two polygons of one object) count twice.
    pub(super) fn area(&self) -> u64 {
        self.runs.iter().map(|&(_, length)| u64::from(length)).sum()
    }

    /// Calls with the row-by-row index of each pixel.
    fn each(&self, width: u32, height: u32, mut pixel: impl FnMut(usize)) {
        for &(start, length) in &self.runs {
            if self.by_column {
                for at in start..start + length {
                    pixel((at % height) as usize * width as usize + (at / height) as usize);
                }
            } else {
                (start..start + length).for_each(|at| pixel(at as usize));
            }
        }
    }
}

/// Masks may overlap, but not this many times over the whole picture: time is bounded by what a picture can need.
const MAX_LAYERS: u64 = 256;

/// Numbers the objects from 1 in their order. Where they overlap the smaller is on top, and of equal ones the later. Objects of which nothing
/// is seen are left out, with their number.
pub(super) fn paint(objects: Vec<(Shape, Label)>, size: (u32, u32), name: &str) -> Result<Instances> {
    let (width, height) = size;
    let pixels = super::check_size(name, width, height)?;
    let areas: Vec<u64> = objects.iter().map(|(shape, _)| shape.area()).collect();
    if areas.iter().sum::<u64>() > MAX_LAYERS * pixels as u64 {
        return wrong(name, format!("the masks cover the picture more than {MAX_LAYERS} times"));
    }
    if objects.len() > usize::from(u16::MAX) {
        return wrong(name, format!("{} objects, more than 65535", objects.len()));
    }
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(areas[at]), at));
    let mut ids = vec![0u16; pixels];
    for at in order {
        let id = (at + 1) as u16;
        objects[at].0.each(width, height, |pixel| {
            if let Some(slot) = ids.get_mut(pixel) {
                *slot = id;
            }
        });
    }
    let mut seen = vec![false; objects.len() + 1];
    for &id in &ids {
        seen[usize::from(id)] = true;
    }
    let labels = (1u16..)
        .zip(objects)
        .filter(|(id, _)| seen[usize::from(*id)])
        .map(|(id, (_, label))| Label { id, ..label })
        .collect();
    Instances::new(width, height, ids, labels)
}
