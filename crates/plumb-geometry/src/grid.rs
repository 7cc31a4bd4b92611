//! A sparse grid of voxels: points sorted by the key of their cell. Neighbourhoods of all cells are found in one sweep, without a table.

use std::ops::Range;

use glam::{DVec3, Vec3};

/// Coordinates beyond this (metres) are taken for damage: single precision cannot tell centimetres apart there.
pub(crate) const LIMIT: f32 = 1e5;

/// Cells along an axis at most; keys stay below 2^61.
const MAX_CELLS: f64 = (1u32 << 20) as f64;

/// Empty cells around the grid, so that no neighbourhood wraps into the next row.
const PAD: u64 = 2;

/// Whether a point can be measured with at all.
pub(crate) fn usable(p: Vec3) -> bool {
    p.x.abs() <= LIMIT && p.y.abs() <= LIMIT && p.z.abs() <= LIMIT
}

/// The points with their indices, without the unusable ones.
pub(crate) fn indexed(points: &[Vec3]) -> impl Iterator<Item = (u32, Vec3)> {
    (0..u32::MAX).zip(points.iter().copied()).filter(|(_, p)| usable(*p))
}

/// Corners of the box around the usable points.
pub(crate) fn bounds(points: &[Vec3]) -> Option<(Vec3, Vec3)> {
    indexed(points).fold(None, |acc, (_, p)| {
        let (low, high) = acc.unwrap_or((p, p));
        Some((low.min(p), high.max(p)))
    })
}

/// Indices in the order of their keys; equal keys keep the order of the indices.
pub(crate) fn sort_by_key(mut entries: Vec<(u64, u32)>) -> Vec<(u64, u32)> {
    const DIGIT: u32 = 11;
    let index_bits = 32 - entries.iter().fold(0, |m, e| m | e.1).leading_zeros();
    let key_bits = 64 - entries.iter().fold(0, |m, e| m | e.0).leading_zeros();
    if entries.len() < 512 || index_bits + key_bits > 64 {
        entries.sort_unstable();
        return entries;
    }
    let mut from: Vec<u64> = entries.iter().map(|&(key, i)| key << index_bits | u64::from(i)).collect();
    let mut to = vec![0; from.len()];
    let mask = (1u64 << DIGIT) - 1;
    for pass in 0..key_bits.div_ceil(DIGIT) {
        let shift = index_bits + pass * DIGIT;
        let mut counts = [0usize; 1 << DIGIT];
        for &e in &from {
            counts[(e >> shift & mask) as usize] += 1;
        }
        let mut sum = 0;
        for count in &mut counts {
            sum += std::mem::replace(count, sum);
        }
        for &e in &from {
            let slot = &mut counts[(e >> shift & mask) as usize];
            to[*slot] = e;
            *slot += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    let index_mask = (1u64 << index_bits) - 1;
    for (entry, packed) in entries.iter_mut().zip(from) {
        *entry = (packed >> index_bits, (packed & index_mask) as u32);
    }
    entries
}

/// Points by cell. Positions are places in the sorted order; indices are places in the input.
pub(crate) struct Grid {
    keys: Vec<u64>,
    starts: Vec<u32>,
    order: Vec<u32>,
    points: Vec<Vec3>,
    /// Keys from one cell to the next along x and along y.
    strides: [u64; 2],
}

impl Grid {
    /// Sorts the usable points into cells of `size` (> 0). Should the grid be more than 2^20 cells long, it is cut to that around the
    /// median, and points outside of it are left out.
    pub(crate) fn new(points: &[Vec3], size: f32) -> Self {
        let (low, high) = bounds(points).unwrap_or((Vec3::ZERO, Vec3::ZERO));
        let size = if size > 0.0 { f64::from(size) } else { f64::from((high - low).max_element()).max(1.0) };
        let mut origin = low.as_dvec3();
        let mut cells = ((high - low).as_dvec3() / size).floor() + DVec3::ONE;
        for axis in 0..3 {
            if cells[axis] > MAX_CELLS {
                let mut values: Vec<f32> = indexed(points).map(|(_, p)| p[axis]).collect();
                let middle = values.len() / 2;
                let (_, median, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
                origin[axis] = f64::from(*median) - size * (MAX_CELLS / 2.0);
                cells[axis] = MAX_CELLS;
            }
        }
        let [_, ny, nz] = cells.to_array().map(|n| n as u64 + 2 * PAD);
        let strides = [ny * nz, nz];
        let inverse = 1.0 / size;
        let entries = indexed(points)
            .filter_map(|(i, p)| {
                let at = ((p.as_dvec3() - origin) * inverse).floor();
                let inside = at.cmpge(DVec3::ZERO).all() && at.cmplt(cells).all();
                let [x, y, z] = at.to_array().map(|v| v as u64 + PAD);
                inside.then_some((x * strides[0] + y * strides[1] + z, i))
            })
            .collect();
        let mut grid = Self { keys: vec![], starts: vec![], order: vec![], points: vec![], strides };
        for (position, (key, index)) in (0..u32::MAX).zip(sort_by_key(entries)) {
            if grid.keys.last() != Some(&key) {
                grid.keys.push(key);
                grid.starts.push(position);
            }
            grid.order.push(index);
            grid.points.push(points[index as usize]);
        }
        grid.starts.push(grid.order.len() as u32);
        grid
    }

    /// Number of cells that hold a point.
    pub(crate) fn cells(&self) -> usize {
        self.keys.len()
    }

    /// Positions of the points in a run of cells.
    pub(crate) fn span(&self, cells: Range<usize>) -> Range<usize> {
        self.starts[cells.start] as usize..self.starts[cells.end] as usize
    }

    /// Positions of the points of one cell.
    pub(crate) fn cell(&self, cell: usize) -> Range<usize> {
        self.span(cell..cell + 1)
    }

    /// The points, by position.
    pub(crate) fn points(&self) -> &[Vec3] {
        &self.points
    }

    /// The points' places in the input, by position.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Calls `visit` with every cell in order and the runs of cells within `reach` (1 or 2) cells of it along each axis, itself among
    /// them. Empty runs are left out.
    pub(crate) fn sweep(&self, reach: i64, mut visit: impl FnMut(usize, &[Range<usize>])) {
        let reach = reach.clamp(0, PAD as i64);
        let [sx, sy] = self.strides.map(|s| s as i64);
        let offsets: Vec<i64> =
            (-reach..=reach).flat_map(|x| (-reach..=reach).map(move |y| x * sx + y * sy)).collect();
        let mut cursors = vec![0..0; offsets.len()];
        let mut runs = Vec::with_capacity(offsets.len());
        for (cell, &key) in self.keys.iter().enumerate() {
            runs.clear();
            for (cursor, offset) in cursors.iter_mut().zip(&offsets) {
                let middle = key as i64 + offset;
                let (first, last) = ((middle - reach) as u64, (middle + reach) as u64);
                while self.keys.get(cursor.start).is_some_and(|&k| k < first) {
                    cursor.start += 1;
                }
                cursor.end = cursor.end.max(cursor.start);
                while self.keys.get(cursor.end).is_some_and(|&k| k <= last) {
                    cursor.end += 1;
                }
                if cursor.start < cursor.end {
                    runs.push(cursor.clone());
                }
            }
            visit(cell, &runs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point() -> impl Strategy<Value = Vec3> {
        (-2.0..2.0f32, -2.0..2.0f32, -2.0..2.0f32).prop_map(|(x, y, z)| Vec3::new(x, y, z))
    }

    proptest! {
        #[test]
        fn a_sweep_meets_every_neighbour(points in prop::collection::vec(point(), 0..120), reach in 1i64..=2) {
            let size = 0.3;
            let grid = Grid::new(&points, size);
            prop_assert_eq!(grid.order().len(), points.len());
            let mut pairs = 0;
            grid.sweep(reach, |cell, runs| {
                for p in grid.cell(cell) {
                    let near = runs.iter().flat_map(|r| grid.span(r.clone()));
                    let r = size * reach as f32 * 0.999;
                    pairs += near.filter(|&q| grid.points()[p].distance(grid.points()[q]) < r).count();
                }
            });
            let r = size * reach as f32 * 0.999;
            let naive: usize = points.iter().map(|p| points.iter().filter(|q| p.distance(**q) < r).count()).sum();
            prop_assert_eq!(pairs, naive);
        }

        #[test]
        fn keys_sort_stably(keys in prop::collection::vec(0u64..1 << 40, 0..2000)) {
            let entries: Vec<(u64, u32)> = keys.iter().map(|k| ((k % 997) << 30) | (k % 3)).zip(0..).collect();
            let mut expected = entries.clone();
            expected.sort_unstable();
            prop_assert_eq!(sort_by_key(entries), expected);
        }
    }

    #[test]
    fn damage_is_left_out_and_lengths_are_bounded() {
        let mut points = vec![Vec3::ZERO, Vec3::splat(f32::NAN), Vec3::splat(1e30), Vec3::X * f32::INFINITY];
        assert_eq!(Grid::new(&points, 0.01).order(), [0]);
        points.push(Vec3::X * 9e4);
        points.push(Vec3::X * 1e-3);
        let grid = Grid::new(&points, 1e-3);
        assert_eq!(grid.order(), [0, 5]);
        assert_eq!(Grid::new(&points, f32::NAN).order().len(), 3);
        assert_eq!(Grid::new(&[], 1.0).cells(), 0);
    }
}
