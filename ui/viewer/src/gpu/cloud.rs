//! A cloud on the GPU: chunks of a million shuffled points, uploaded once and a few per frame.

use std::ops::Range;

use crate::data::Cloud;
use crate::pack::{BYTES_PER_POINT, GpuPoint, Layout};

/// Points in one buffer: 24 MiB, far below the 128 MiB every device allows, and one upload per frame without a jerk.
pub(crate) const CHUNK: u32 = 1 << 20;

/// Retained buffers of one cloud.
pub(crate) struct GpuCloud {
    pub(crate) generation: u64,
    pub(crate) layout: Layout,
    chunks: Vec<wgpu::Buffer>,
    /// The same in memory instead, where the processor draws.
    in_memory: Vec<Vec<GpuPoint>>,
    uploaded: u32,
}

/// One draw call: which buffer, which bytes, and which slots these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) chunk: usize,
    pub(crate) bytes: Range<u64>,
    pub(crate) slots: Range<u32>,
}

impl GpuCloud {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        Self {
            generation: cloud.generation,
            layout: Layout::new(cloud),
            chunks: Vec::new(),
            in_memory: Vec::new(),
            uploaded: 0,
        }
    }

    /// Points that can be drawn so far.
    pub(crate) const fn uploaded(&self) -> u32 {
        self.uploaded
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.uploaded >= self.layout.len()
    }

    /// Uploads up to `chunks` further buffers, or keeps them in memory without a device.
    pub(crate) fn upload(&mut self, device: Option<&wgpu::Device>, cloud: &Cloud, chunks: usize) {
        for _ in 0..chunks {
            let slots = self.uploaded..self.uploaded.saturating_add(CHUNK).min(self.layout.len());
            if slots.is_empty() {
                return;
            }
            let points = self.layout.pack(cloud, slots.clone());
            self.uploaded = slots.end;
            let Some(device) = device else {
                self.in_memory.push(points);
                continue;
            };
            let bytes: &[u8] = bytemuck::cast_slice(&points);
            let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("points"),
                size: bytes.len() as u64,
                usage: wgpu::BufferUsages::VERTEX,
                mapped_at_creation: true,
            });
            // A lost device maps nothing; the next frame's reset uploads again.
            if let Ok(mut mapped) = buffer.get_mapped_range_mut(..) {
                mapped.copy_from_slice(bytes);
            }
            buffer.unmap();
            self.chunks.push(buffer);
        }
    }

    pub(crate) fn buffer(&self, chunk: usize) -> Option<&wgpu::Buffer> {
        self.chunks.get(chunk)
    }

    /// The points of a piece, where they are in memory.
    pub(crate) fn points(&self, piece: &Piece) -> &[GpuPoint] {
        let range = |slot: u32| (slot - piece.slots.start) as usize + (piece.slots.start % CHUNK) as usize;
        let points = self.in_memory.get(piece.chunk);
        points.and_then(|points| points.get(range(piece.slots.start)..range(piece.slots.end))).unwrap_or(&[])
    }

    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.uploaded) * BYTES_PER_POINT as u64
    }
}

/// The draw calls for `slots`.
pub(crate) fn pieces(slots: Range<u32>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = slots.start;
    while start < slots.end {
        let chunk = start / CHUNK;
        let end = slots.end.min(chunk.saturating_add(1).saturating_mul(CHUNK));
        let offset = |slot: u32| u64::from(slot - chunk * CHUNK) * BYTES_PER_POINT as u64;
        pieces.push(Piece { chunk: chunk as usize, bytes: offset(start)..offset(end), slots: start..end });
        if end == start {
            break;
        }
        start = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_range_once() {
        let found = pieces(CHUNK - 10..2 * CHUNK + 5);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].bytes, (u64::from(CHUNK) - 10) * 24..u64::from(CHUNK) * 24);
        assert_eq!(found[1].slots, CHUNK..2 * CHUNK);
        assert_eq!(found[2].bytes, 0..5 * 24);
        assert!(pieces(7..7).is_empty());
        assert!(u64::from(CHUNK) * (BYTES_PER_POINT as u64) < 128 << 20);
        // The very last chunk of the largest cloud does not overflow.
        assert_eq!(pieces(u32::MAX - 1..u32::MAX).len(), 1);
    }
}
