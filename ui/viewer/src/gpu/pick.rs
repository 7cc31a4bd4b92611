//! What is under the pointer: a small window of the geometry buffer, read back without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Side of the window in pixels; 16 texels of 16 bytes are the 256 bytes a row of a copy needs.
pub(crate) const WINDOW: u32 = 16;

const PENDING: u8 = 0;
const READY: u8 = 1;
const FAILED: u8 = 2;

/// A point on screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hit {
    /// Place in the shuffled order.
    pub(crate) slot: u32,
    /// Metres along the view direction.
    pub(crate) depth: f32,
}

/// A read under way.
pub(crate) struct Readback {
    buffer: wgpu::Buffer,
    state: Arc<AtomicU8>,
    /// Corner and extent of the window inside the picture.
    corner: [u32; 2],
    extent: [u32; 2],
    pointer: [u32; 2],
}

/// The part of the window around `pointer` that lies inside the picture.
fn window(pointer: [u32; 2], size: [u32; 2]) -> ([u32; 2], [u32; 2]) {
    let corner: [u32; 2] =
        std::array::from_fn(|i| pointer[i].saturating_sub(WINDOW / 2).min(size[i].saturating_sub(1)));
    (corner, std::array::from_fn(|i| WINDOW.min(size[i] - corner[i])))
}

impl Readback {
    /// Copies the window around `pointer` (pixels); `None` outside the picture.
    pub(crate) fn start(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        geometry: &wgpu::Texture,
        pointer: [u32; 2],
    ) -> Option<Self> {
        let size = [geometry.width(), geometry.height()];
        if pointer[0] >= size[0] || pointer[1] >= size[1] {
            return None;
        }
        let (corner, extent) = window(pointer, size);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("pick"),
            size: u64::from(WINDOW * WINDOW) * 16,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_texture_to_buffer(
            wgpu::TexelCopyTextureInfo {
                texture: geometry,
                mip_level: 0,
                origin: wgpu::Origin3d { x: corner[0], y: corner[1], z: 0 },
                aspect: wgpu::TextureAspect::All,
            },
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(WINDOW * 16),
                    rows_per_image: None,
                },
            },
            wgpu::Extent3d { width: extent[0], height: extent[1], depth_or_array_layers: 1 },
        );
        queue.submit([encoder.finish()]);
        let state = Arc::new(AtomicU8::new(PENDING));
        let report = Arc::clone(&state);
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            report.store(if result.is_ok() { READY } else { FAILED }, Ordering::Release);
        });
        Some(Self { buffer, state, corner, extent, pointer })
    }

    /// The answer, once there is one: the point drawn nearest to the pointer within `radius` pixels.
    pub(crate) fn poll(&self, radius: f32) -> Option<Option<Hit>> {
        match self.state.load(Ordering::Acquire) {
            PENDING => None,
            READY => {
                let Ok(view) = self.buffer.get_mapped_range(..) else { return Some(None) };
                Some(self.nearest(bytemuck::cast_slice(&view), radius))
            }
            _ => Some(None),
        }
    }

    fn nearest(&self, texels: &[[u32; 4]], radius: f32) -> Option<Hit> {
        let offset = |axis: usize, at: u32| (self.corner[axis] + at) as f32 - self.pointer[axis] as f32;
        (0..self.extent[1])
            .flat_map(|y| (0..self.extent[0]).map(move |x| (x, y)))
            .filter_map(|(x, y)| {
                let [depth, _, slot, _] = *texels.get((y * WINDOW + x) as usize)?;
                let squared = offset(0, x).powi(2) + offset(1, y).powi(2);
                let depth = f32::from_bits(depth);
                (slot > 0 && squared <= radius * radius).then_some((squared, Hit { slot: slot - 1, depth }))
            })
            .min_by(|(a, first), (b, second)| a.total_cmp(b).then(first.depth.total_cmp(&second.depth)))
            .map(|(_, hit)| hit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_stay_inside() {
        assert_eq!(window([0, 0], [100, 100]), ([0, 0], [16, 16]));
        assert_eq!(window([50, 99], [100, 100]), ([42, 91], [16, 9]));
        assert_eq!(window([2, 0], [3, 1]), ([0, 0], [3, 1]));
    }
}
