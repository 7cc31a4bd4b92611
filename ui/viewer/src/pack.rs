//! A cloud as the GPU sees it: 24 bytes a point, in shuffled order, plus what the CPU needs to know about it.
//!
//! | bytes | content |
//! |---|---|
//! | 0..12 | position relative to the cloud's origin, 3 × f32, metres |
//! | 12..16 | r, g, b, confidence, 4 × unorm8 |
//! | 16..20 | instance, u32 |
//! | 20..24 | normal on the octahedron (Meyer et al. 2010), 2 × snorm16; (-32768, -32768) is "unknown" |

use crate::data::{Cloud, NO_INSTANCE};
use crate::permute::Permutation;

/// Six words of four bytes.
pub(crate) type GpuPoint = [u32; 6];

/// Bytes of one point.
pub const BYTES_PER_POINT: usize = size_of::<GpuPoint>();

/// Positions beyond this many metres would overflow f32 when squared and summed on the GPU.
const LIMIT: f32 = 1e12;

/// How many shuffled points the ranges are taken from; a quantile of 65,536 is stable to about 0.2 %.
const SAMPLE: u32 = 65_536;

/// Robust bounds of what is shown, world coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Lower corner (0.5 % quantile per axis), metres.
    pub min: [f32; 3],
    /// Upper corner (99.5 % quantile per axis), metres.
    pub max: [f32; 3],
}

impl Bounds {
    /// The middle.
    #[must_use]
    pub fn center(&self) -> [f32; 3] {
        std::array::from_fn(|i| self.min[i] * 0.5 + self.max[i] * 0.5)
    }

    /// Half the diagonal in metres, at least a millimetre.
    #[must_use]
    pub fn radius(&self) -> f32 {
        let squared: f64 =
            (0..3).map(|i| (f64::from(self.max[i]) - f64::from(self.min[i])).powi(2)).sum::<f64>() / 4.0;
        (squared.sqrt() as f32).max(1e-3)
    }
}

/// Shuffled order and ranges of one cloud.
#[derive(Debug)]
pub(crate) struct Layout {
    order: Permutation,
    /// Indices of valid points, kept only when some are invalid.
    valid: Option<Vec<u32>>,
    /// Subtracted from positions, so that far-off clouds keep their millimetres.
    pub(crate) origin: [f32; 3],
    pub(crate) bounds: Option<Bounds>,
    /// 2 % and 98 % quantile of the height, metres.
    pub(crate) heights: [f32; 2],
    pub(crate) skipped: usize,
}

fn is_valid(position: &[f32; 3]) -> bool {
    // NaN fails the comparison.
    position.iter().all(|value| value.abs() <= LIMIT)
}

/// The `low` and `high` quantile; reorders the values. Zero for no values.
pub(crate) fn quantiles(values: &mut [f32], low: f64, high: f64) -> [f32; 2] {
    if values.is_empty() {
        return [0.0; 2];
    }
    values.sort_unstable_by(f32::total_cmp);
    [low, high].map(|q| values[((values.len() - 1) as f64 * q).round() as usize])
}

impl Layout {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        let count = cloud.positions.iter().filter(|position| is_valid(position)).count();
        let skipped = cloud.positions.len() - count;
        let valid = (skipped > 0).then(|| {
            (0_u32..)
                .zip(&cloud.positions)
                .filter(|(_, position)| is_valid(position))
                .map(|(index, _)| index)
                .collect()
        });
        let mut layout = Self {
            order: Permutation::new(u32::try_from(count).unwrap_or(u32::MAX), 0x506c_756d),
            valid,
            origin: [0.0; 3],
            bounds: None,
            heights: [0.0; 2],
            skipped,
        };
        if count > 0 {
            let mut axes = [0, 1, 2].map(|axis| layout.sample(cloud, |position| position[axis]));
            layout.heights = quantiles(&mut axes[2], 0.02, 0.98);
            let ranges = axes.map(|mut values| quantiles(&mut values, 0.005, 0.995));
            let bounds = Bounds { min: ranges.map(|r| r[0]), max: ranges.map(|r| r[1]) };
            layout.origin = bounds.center();
            layout.bounds = Some(bounds);
        }
        layout
    }

    /// Number of points that are drawn.
    pub(crate) const fn len(&self) -> u32 {
        self.order.len()
    }

    /// The cloud's own index of the point at `slot` of the shuffled order.
    pub(crate) fn point_at(&self, slot: u32) -> Option<u32> {
        let index = self.order.get(slot)?;
        match &self.valid {
            None => Some(index),
            Some(valid) => valid.get(index as usize).copied(),
        }
    }

    /// `value` of up to 65,536 evenly chosen points.
    pub(crate) fn sample(&self, cloud: &Cloud, value: impl Fn([f32; 3]) -> f32) -> Vec<f32> {
        (0..self.len().min(SAMPLE))
            .filter_map(|slot| cloud.position(self.point_at(slot)? as usize))
            .map(value)
            .collect()
    }

    /// Some thousand points without outliers, to frame.
    pub(crate) fn outline(&self, cloud: &Cloud) -> Vec<[f32; 3]> {
        let Some(bounds) = self.bounds else { return Vec::new() };
        (0..self.len().min(SAMPLE / 8))
            .filter_map(|slot| cloud.position(self.point_at(slot)? as usize))
            .filter(|at| (0..3).all(|axis| (bounds.min[axis]..=bounds.max[axis]).contains(&at[axis])))
            .collect()
    }

    /// The points at `slots` as the GPU wants them. The cloud must be the one the layout was made from.
    pub(crate) fn pack(&self, cloud: &Cloud, slots: std::ops::Range<u32>) -> Vec<GpuPoint> {
        slots
            .filter_map(|slot| {
                let index = self.point_at(slot)? as usize;
                let position = cloud.positions.get(index)?;
                let [r, g, b] = cloud.colors.get(index).copied().unwrap_or_default();
                let confidence = cloud.confidence.get(index).map_or(255, |&value| unorm8(value));
                let normal = cloud.normals.get(index).copied().unwrap_or_default();
                Some([
                    (position[0] - self.origin[0]).to_bits(),
                    (position[1] - self.origin[1]).to_bits(),
                    (position[2] - self.origin[2]).to_bits(),
                    u32::from_le_bytes([r, g, b, confidence]),
                    cloud.instances.get(index).copied().unwrap_or(NO_INSTANCE),
                    pack_normal(normal),
                ])
            })
            .collect()
    }
}

fn unorm8(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// Octahedral code of a direction as two snorm16, low half first.
fn pack_normal([x, y, z]: [f32; 3]) -> u32 {
    let sum = x.abs() + y.abs() + z.abs();
    if !(sum > 0.0 && sum.is_finite()) {
        return 0x8000_8000;
    }
    let (mut u, mut v) = (x / sum, y / sum);
    if z < 0.0 {
        let sign = |value: f32| if value < 0.0 { -1.0 } else { 1.0 };
        (u, v) = ((1.0 - v.abs()) * sign(u), (1.0 - u.abs()) * sign(v));
    }
    let snorm = |value: f32| u32::from((value.clamp(-1.0, 1.0) * 32767.0).round() as i16 as u16);
    snorm(u) | (snorm(v) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The decoding the shader does.
    fn unpack_normal(code: u32) -> glam::Vec3 {
        let part = |bits: u32| f32::from(bits as u16 as i16) / 32767.0;
        let (u, v) = (part(code), part(code >> 16));
        let z = 1.0 - u.abs() - v.abs();
        let fold = (-z).max(0.0);
        glam::Vec3::new(u - fold * u.signum(), v - fold * v.signum(), z).normalize()
    }

    proptest! {
        #[test]
        fn normals_round_trip(x in -1.0_f32..1.0, y in -1.0_f32..1.0, z in -1.0_f32..1.0) {
            let normal = glam::Vec3::new(x, y, z);
            prop_assume!(normal.length() > 1e-3);
            let back = unpack_normal(pack_normal(normal.to_array()));
            prop_assert!(back.dot(normal.normalize()) > 0.999_999);
        }
    }

    #[test]
    fn a_point_is_24_bytes_and_unknown_normals_are_marked() {
        assert_eq!(BYTES_PER_POINT, 24);
        assert_eq!(pack_normal([0.0; 3]), 0x8000_8000);
        assert_eq!(pack_normal([f32::NAN, 0.0, 1.0]), 0x8000_8000);
        assert_eq!(pack_normal([f32::INFINITY, 0.0, 1.0]), 0x8000_8000);
    }

    #[test]
    fn bad_positions_are_skipped_and_indices_still_fit() {
        let positions = vec![
            [f32::NAN; 3],
            [1.0, 2.0, 3.0],
            [0.0, f32::INFINITY, 0.0],
            [4.0, 5.0, 6.0],
            [1e30, 0.0, 0.0],
        ];
        let cloud = Cloud::new(positions, vec![[9; 3]; 5]).unwrap();
        let layout = Layout::new(&cloud);
        assert_eq!((layout.len(), layout.skipped), (2, 3));
        let mut found: Vec<_> = (0..2).filter_map(|slot| layout.point_at(slot)).collect();
        found.sort_unstable();
        assert_eq!(found, [1, 3]);
        assert_eq!(layout.point_at(2), None);
        assert_eq!(layout.pack(&cloud, 0..5).len(), 2);
    }

    #[test]
    fn packing_keeps_everything() {
        let cloud = Cloud::new(vec![[1.0, -2.0, 0.5]], vec![[1, 2, 3]])
            .and_then(|cloud| cloud.with_instances(vec![77]))
            .and_then(|cloud| cloud.with_confidence(vec![0.5]))
            .and_then(|cloud| cloud.with_normals(vec![[0.0, 0.0, -2.0]]))
            .unwrap();
        let layout = Layout::new(&cloud);
        let point = layout.pack(&cloud, 0..1)[0];
        let position: [f32; 3] =
            std::array::from_fn(|axis| f32::from_bits(point[axis]) + layout.origin[axis]);
        assert_eq!(position, cloud.positions[0]);
        assert_eq!(point[3].to_le_bytes(), [1, 2, 3, 128]);
        assert_eq!(point[4], 77);
        assert!(unpack_normal(point[5]).z < -0.9999);
    }

    #[test]
    fn ranges_ignore_outliers_and_degenerate_clouds_have_a_radius() {
        let mut positions: Vec<_> = (0..1000_u16).map(|i| [f32::from(i) / 1000.0, 0.0, 1.0]).collect();
        positions.push([1e6, 1e6, 1e6]);
        let count = positions.len();
        let layout = Layout::new(&Cloud::new(positions, vec![[0; 3]; count]).unwrap());
        assert!(layout.bounds.unwrap().max[0] < 1.1);
        let same = Layout::new(&Cloud::new(vec![[1e11; 3]; 9], vec![[0; 3]; 9]).unwrap());
        assert!(same.bounds.unwrap().radius() > 0.0);
        assert_eq!(Layout::new(&Cloud::new(vec![], vec![]).unwrap()).bounds, None);
    }
}
