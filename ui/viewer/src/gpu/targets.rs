//! Textures of the size of the picture, and the small ones that hold colour maps.

use super::pipelines::{DEPTH_FORMAT, GEOMETRY_FORMAT, PICTURE_FORMAT, Pipelines};
use crate::colormap::{LUT_LEN, instance_lut, sequential_lut};

/// A render target, seen as a texture and as a view.
pub(crate) struct Target {
    pub(crate) texture: wgpu::Texture,
    pub(crate) view: wgpu::TextureView,
}

fn target(
    device: &wgpu::Device,
    label: &str,
    [width, height]: [u32; 2],
    format: wgpu::TextureFormat,
    usage: wgpu::TextureUsages,
) -> Target {
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: usage | wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });
    let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
    Target { texture, view }
}

/// Everything that is as large as the picture.
pub(crate) struct Targets {
    pub(crate) size: [u32; 2],
    /// One texel per point that reached the screen.
    pub(crate) geometry: Target,
    pub(crate) geometry_depth: Target,
    /// The same with points grown to their size.
    pub(crate) splatted: Target,
    pub(crate) picture: Target,
    pub(crate) picture_depth: Target,
    pub(crate) geometry_group: wgpu::BindGroup,
    pub(crate) splatted_group: wgpu::BindGroup,
}

impl Targets {
    pub(crate) fn new(device: &wgpu::Device, pipelines: &Pipelines, size: [u32; 2]) -> Self {
        use wgpu::TextureUsages as Usage;
        let read = Usage::TEXTURE_BINDING | Usage::COPY_SRC;
        let geometry = target(device, "geometry", size, GEOMETRY_FORMAT, read | Usage::COPY_DST);
        let splatted = target(device, "splatted", size, GEOMETRY_FORMAT, read);
        let group = |target: &Target| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("geometry"),
                layout: &pipelines.geometry_layout,
                entries: &[wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::TextureView(&target.view),
                }],
            })
        };
        Self {
            size,
            geometry_group: group(&geometry),
            splatted_group: group(&splatted),
            geometry,
            splatted,
            geometry_depth: target(device, "geometry depth", size, DEPTH_FORMAT, Usage::empty()),
            picture: target(device, "picture", size, PICTURE_FORMAT, read),
            picture_depth: target(device, "picture depth", size, DEPTH_FORMAT, Usage::empty()),
        }
    }
}

/// A texture of bytes, filled.
pub(crate) fn filled(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    label: &str,
    [width, height]: [u32; 2],
    rgba: &[u8],
) -> wgpu::TextureView {
    let size = wgpu::Extent3d { width, height, depth_or_array_layers: 1 };
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    queue.write_texture(
        texture.as_image_copy(),
        rgba,
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(width * 4), rows_per_image: None },
        size,
    );
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// Both colour maps as one texture of two rows.
pub(crate) fn lut(device: &wgpu::Device, queue: &wgpu::Queue) -> wgpu::TextureView {
    let bytes: Vec<u8> =
        sequential_lut().iter().chain(instance_lut()).flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
    filled(device, queue, "colour maps", [LUT_LEN as u32, 2], &bytes)
}
