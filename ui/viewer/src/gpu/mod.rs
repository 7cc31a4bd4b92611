//! The renderer: retained buffers, four small passes, no waiting.
//!
//! 1. points into the geometry buffer (depth, colour, point, object per pixel),
//! 2. splat: points grown to their size on screen,
//! 3. shade: eye-dome lighting and outlines, into the picture,
//! 4. grid, faces, photograph and lines over it, tested against the points' depth.
//!
//! 3 and 4 run without 1 when only highlights or overlays change; 1 can go on where it stopped, so a still view
//! fills up over several frames.

mod cloud;
mod frame;
mod pick;
mod pipelines;
mod software;
mod targets;

use std::ops::Range;

pub(crate) use frame::{Frame, MAX_HIGHLIGHTS, Method};
pub(crate) use pick::{Hit, Readback};
pub(crate) use pipelines::{FILTERED, sampler, texture};

use crate::data::{Cloud, Image};
use crate::overlay::Overlay;
use crate::pack::Layout;
use cloud::{GpuCloud, pieces};
use frame::FRAME_BYTES;
use pipelines::{DRAW_BYTES, DRAW_STRIDE, Pipelines};
use software::Software;
use targets::{Target, Targets};

/// Dynamic offsets kept for draw calls: enough for 4 G points in chunks.
const MAX_DRAWS: u64 = 4100;

/// What to do for one picture.
pub(crate) struct Job<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) size: [u32; 2],
    /// Slots to draw; the geometry buffer is emptied first if this starts at 0.
    pub(crate) slots: Range<u32>,
    /// Whether the geometry buffer must be drawn at all.
    pub(crate) points: bool,
    pub(crate) overlay: &'a Overlay,
    pub(crate) background: [u8; 3],
    pub(crate) image: Option<(&'a Image, f32)>,
}

struct Picture {
    generation: u64,
    group: wgpu::BindGroup,
    style: wgpu::Buffer,
}

/// A buffer of vertices that grows when it must.
#[derive(Default)]
struct Vertices {
    buffer: Option<wgpu::Buffer>,
    bytes: u64,
}

impl Vertices {
    fn fill(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, bytes: &[u8]) {
        let wanted = bytes.len() as u64;
        if wanted > self.buffer.as_ref().map_or(0, wgpu::Buffer::size) {
            self.buffer = Some(device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("overlay"),
                size: wanted.next_power_of_two().max(1024),
                usage: wgpu::BufferUsages::VERTEX | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }));
        }
        self.bytes = wanted;
        if let (Some(buffer), true) = (&self.buffer, wanted > 0) {
            queue.write_buffer(buffer, 0, bytes);
        }
    }

    fn slice(&self) -> Option<wgpu::BufferSlice<'_>> {
        (self.bytes > 0).then(|| self.buffer.as_ref().map(|buffer| buffer.slice(..self.bytes))).flatten()
    }
}

/// Everything on the GPU of one view.
pub(crate) struct Renderer {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pipelines: Pipelines,
    frame: wgpu::Buffer,
    frame_group: wgpu::BindGroup,
    draws: wgpu::Buffer,
    draws_group: wgpu::BindGroup,
    lut_group: wgpu::BindGroup,
    cloud: Option<GpuCloud>,
    /// Draws the points instead of the device.
    software: Option<Software>,
    targets: Option<Targets>,
    picture: Option<Picture>,
    lines: Vertices,
    faces: Vertices,
    corners: Vertices,
    /// Whether the last points were grown, so that picking reads what is seen.
    splatted: bool,
}

fn color_attachment<'a>(
    target: &'a Target,
    load: wgpu::LoadOp<wgpu::Color>,
) -> Option<wgpu::RenderPassColorAttachment<'a>> {
    Some(wgpu::RenderPassColorAttachment {
        view: &target.view,
        depth_slice: None,
        resolve_target: None,
        ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
    })
}

fn depth_attachment<'a>(
    target: &'a Target,
    load: wgpu::LoadOp<f32>,
) -> wgpu::RenderPassDepthStencilAttachment<'a> {
    wgpu::RenderPassDepthStencilAttachment {
        view: &target.view,
        depth_ops: Some(wgpu::Operations { load, store: wgpu::StoreOp::Store }),
        stencil_ops: None,
    }
}

impl Renderer {
    /// `software`: draw points on the processor; `None` does so on devices that are processors.
    pub(crate) fn new(device: wgpu::Device, queue: wgpu::Queue, software: Option<bool>) -> Self {
        let is_processor = || device.adapter_info().device_type == wgpu::DeviceType::Cpu;
        let software = software.unwrap_or_else(is_processor).then(Software::default);
        let pipelines = Pipelines::new(&device);
        let buffer = |label, size| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let group = |label, layout, resource| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(label),
                layout,
                entries: &[wgpu::BindGroupEntry { binding: 0, resource }],
            })
        };
        let frame = buffer("frame", FRAME_BYTES);
        let draws = buffer("draws", DRAW_STRIDE * MAX_DRAWS);
        let one_draw = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &draws,
            offset: 0,
            size: std::num::NonZeroU64::new(DRAW_BYTES),
        });
        let lut = targets::lut(&device, &queue);
        Self {
            frame_group: group("frame", &pipelines.frame_layout, frame.as_entire_binding()),
            draws_group: group("draws", &pipelines.draw_layout, one_draw),
            lut_group: group("lut", &pipelines.lut_layout, wgpu::BindingResource::TextureView(&lut)),
            frame,
            draws,
            cloud: None,
            software,
            targets: None,
            picture: None,
            lines: Vertices::default(),
            faces: Vertices::default(),
            corners: Vertices::default(),
            splatted: false,
            pipelines,
            device,
            queue,
        }
    }

    /// Makes `cloud` the one that is shown and uploads up to `chunks` million points of it. Returns whether anything
    /// changed.
    pub(crate) fn set_cloud(&mut self, cloud: Option<&Cloud>, chunks: usize) -> bool {
        let Some(cloud) = cloud else {
            return self.cloud.take().is_some();
        };
        let is_new = self.cloud.as_ref().is_none_or(|shown| shown.generation != cloud.generation);
        if is_new {
            self.cloud = Some(GpuCloud::new(cloud));
        }
        if let Some(shown) = &mut self.cloud {
            shown.upload(self.software.is_none().then_some(&self.device), cloud, chunks);
        }
        is_new
    }

    pub(crate) fn layout(&self) -> Option<&Layout> {
        self.cloud.as_ref().map(|cloud| &cloud.layout)
    }

    /// Points uploaded so far, and whether these are all.
    pub(crate) fn uploaded(&self) -> (u32, bool) {
        self.cloud.as_ref().map_or((0, true), |cloud| (cloud.uploaded(), cloud.is_complete()))
    }

    /// Bytes of point data on the GPU.
    pub(crate) fn point_bytes(&self) -> u64 {
        self.cloud.as_ref().map_or(0, GpuCloud::bytes)
    }

    /// Prepares textures of `size` pixels; true if they are new and empty.
    pub(crate) fn resize(&mut self, size: [u32; 2]) -> bool {
        if self.targets.as_ref().is_some_and(|targets| targets.size == size) {
            return false;
        }
        self.targets = Some(Targets::new(&self.device, &self.pipelines, size));
        true
    }

    /// The finished picture.
    pub(crate) fn picture(&self) -> Option<&wgpu::Texture> {
        self.targets.as_ref().map(|targets| &targets.picture.texture)
    }

    /// Starts to read what is around a pixel of the last picture.
    pub(crate) fn read_around(&self, pointer: [u32; 2]) -> Option<Readback> {
        let targets = self.targets.as_ref()?;
        let target = if self.splatted { &targets.splatted } else { &targets.geometry };
        Readback::start(&self.device, &self.queue, &target.texture, pointer)
    }

    /// Draws and submits.
    pub(crate) fn render(&mut self, job: &Job<'_>) {
        self.resize(job.size);
        self.queue.write_buffer(&self.frame, 0, bytemuck::cast_slice(&job.frame.words()));
        self.lines.fill(&self.device, &self.queue, bytemuck::cast_slice(&job.overlay.lines));
        self.faces.fill(&self.device, &self.queue, bytemuck::cast_slice(&job.overlay.faces));
        self.corners.fill(&self.device, &self.queue, bytemuck::cast_slice(&job.overlay.picture));
        self.set_picture(job.image);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if job.points {
            if self.software.is_some() {
                self.draw_in_memory(job);
            } else {
                self.draw_points(&mut encoder, job);
            }
            self.splat_points(&mut encoder, job);
        }
        self.finish_picture(&mut encoder, job);
        self.queue.submit([encoder.finish()]);
    }

    /// Points by the processor, then the buffer onto the device.
    fn draw_in_memory(&mut self, job: &Job<'_>) {
        let (Some(targets), Some(software)) = (&self.targets, &mut self.software) else { return };
        if job.slots.start == 0 {
            software.clear(job.size);
        }
        if let Some(cloud) = &self.cloud {
            let end = job.slots.end.min(cloud.uploaded());
            for piece in pieces(job.slots.start..end) {
                software.draw(job.frame, cloud.points(&piece), piece.slots.start);
            }
        }
        self.queue.write_texture(
            targets.geometry.texture.as_image_copy(),
            bytemuck::cast_slice(software.texels()),
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(job.size[0] * 16),
                rows_per_image: None,
            },
            targets.geometry.texture.size(),
        );
    }

    fn draw_points(&mut self, encoder: &mut wgpu::CommandEncoder, job: &Job<'_>) {
        let Some(targets) = &self.targets else { return };
        let empty = job.slots.start == 0;
        let load = if empty { wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT) } else { wgpu::LoadOp::Load };
        let depth = if empty { wgpu::LoadOp::Clear(0.0) } else { wgpu::LoadOp::Load };
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("points"),
            color_attachments: &[color_attachment(&targets.geometry, load)],
            depth_stencil_attachment: Some(depth_attachment(&targets.geometry_depth, depth)),
            ..Default::default()
        });
        if let Some(cloud) = &self.cloud {
            let discs = matches!(job.frame.method, Method::Disc { .. });
            pass.set_pipeline(if discs { &self.pipelines.disc } else { &self.pipelines.pixel });
            pass.set_bind_group(0, &self.frame_group, &[]);
            pass.set_bind_group(2, &self.lut_group, &[]);
            let end = job.slots.end.min(cloud.uploaded());
            for (draw, piece) in (0..MAX_DRAWS).zip(pieces(job.slots.start..end)) {
                let Some(buffer) = cloud.buffer(piece.chunk) else { continue };
                let offset = draw * DRAW_STRIDE;
                let words = [piece.slots.start, 0, 0, 0];
                self.queue.write_buffer(&self.draws, offset, bytemuck::cast_slice(&words));
                pass.set_bind_group(1, &self.draws_group, &[offset as u32]);
                pass.set_vertex_buffer(0, buffer.slice(piece.bytes));
                let count = piece.slots.end - piece.slots.start;
                if discs {
                    pass.draw(0..3, 0..count);
                } else {
                    pass.draw(0..count, 0..1);
                }
            }
        }
    }

    /// Grows one-pixel points to their size.
    fn splat_points(&mut self, encoder: &mut wgpu::CommandEncoder, job: &Job<'_>) {
        let Some(targets) = &self.targets else { return };
        self.splatted = matches!(job.frame.method, Method::Splat(diameter) if diameter > 1);
        if self.splatted {
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("splat"),
                color_attachments: &[color_attachment(
                    &targets.splatted,
                    wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
                )],
                ..Default::default()
            });
            pass.set_pipeline(&self.pipelines.splat);
            pass.set_bind_group(0, &self.frame_group, &[]);
            pass.set_bind_group(1, &targets.geometry_group, &[]);
            pass.draw(0..3, 0..1);
        }
    }

    fn finish_picture(&self, encoder: &mut wgpu::CommandEncoder, job: &Job<'_>) {
        let Some(targets) = &self.targets else { return };
        let [r, g, b] = job.background.map(|byte| f64::from(byte) / 255.0);
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("picture"),
            color_attachments: &[color_attachment(
                &targets.picture,
                wgpu::LoadOp::Clear(wgpu::Color { r, g, b, a: 1.0 }),
            )],
            depth_stencil_attachment: Some(depth_attachment(
                &targets.picture_depth,
                wgpu::LoadOp::Clear(0.0),
            )),
            ..Default::default()
        });
        pass.set_bind_group(0, &self.frame_group, &[]);
        pass.set_pipeline(&self.pipelines.shade);
        let geometry = if self.splatted { &targets.splatted_group } else { &targets.geometry_group };
        pass.set_bind_group(1, geometry, &[]);
        pass.draw(0..3, 0..1);
        if let (Some(slice), Some(picture)) = (self.corners.slice(), &self.picture) {
            pass.set_pipeline(&self.pipelines.picture);
            pass.set_bind_group(1, &picture.group, &[]);
            pass.set_vertex_buffer(0, slice);
            pass.draw(0..job.overlay.picture.len() as u32, 0..1);
        }
        if let Some(slice) = self.lines.slice() {
            pass.set_pipeline(&self.pipelines.line);
            pass.set_vertex_buffer(0, slice);
            pass.draw(0..6, 0..job.overlay.lines.len() as u32);
            if job.overlay.through > 0 {
                pass.set_pipeline(&self.pipelines.line_hidden);
                pass.draw(0..6, 0..job.overlay.through as u32);
            }
        }
        if let Some(slice) = self.faces.slice() {
            pass.set_pipeline(&self.pipelines.face);
            pass.set_vertex_buffer(0, slice);
            pass.draw(0..job.overlay.faces.len() as u32, 0..1);
        }
    }

    fn set_picture(&mut self, image: Option<(&Image, f32)>) {
        let Some((image, opacity)) = image else { return };
        let limit = self.device.limits().max_texture_dimension_2d;
        if image.width > limit || image.height > limit {
            self.picture = None;
            return;
        }
        if self.picture.as_ref().is_none_or(|shown| shown.generation != image.generation) {
            let view =
                targets::filled(&self.device, &self.queue, "photo", [image.width, image.height], &image.rgba);
            let sampler = self.device.create_sampler(&wgpu::SamplerDescriptor {
                mag_filter: wgpu::FilterMode::Linear,
                min_filter: wgpu::FilterMode::Linear,
                ..Default::default()
            });
            let style = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("photo style"),
                size: 16,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("photo"),
                layout: &self.pipelines.picture_layout,
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) },
                    wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(&sampler) },
                    wgpu::BindGroupEntry { binding: 2, resource: style.as_entire_binding() },
                ],
            });
            self.picture = Some(Picture { generation: image.generation, group, style });
        }
        if let Some(picture) = &self.picture {
            let words: [f32; 4] = [opacity.clamp(0.0, 1.0), 0.0, 0.0, 0.0];
            self.queue.write_buffer(&picture.style, 0, bytemuck::cast_slice(&words));
        }
    }
}
