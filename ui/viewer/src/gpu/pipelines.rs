//! Pipelines and bind group layouts. Only what WebGL2 offers: vertex buffers, integer render targets, texel reads.

use std::num::NonZeroU64;

use super::frame::FRAME_BYTES;
use crate::overlay::{FaceVertex, LineInstance, PictureVertex};
use crate::pack::BYTES_PER_POINT;

/// Depth bits, colour, slot + 1, instance: what a pixel knows of its point.
pub(crate) const GEOMETRY_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba32Uint;
/// The finished picture, sRGB-encoded bytes.
pub(crate) const PICTURE_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
pub(crate) const DEPTH_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Depth32Float;
/// Uniform offsets are multiples of 256 on every device.
pub(crate) const DRAW_STRIDE: u64 = 256;
/// Bytes of `Draw` in `points.wgsl`.
pub(crate) const DRAW_BYTES: u64 = 16;

const FRAME: &str = include_str!("../../../../shaders/frame.wgsl");

macro_rules! shader {
    ($device:expr, $name:literal) => {
        $device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some($name),
            source: wgpu::ShaderSource::Wgsl(
                format!("{FRAME}\n{}", include_str!(concat!("../../../../shaders/", $name, ".wgsl"))).into(),
            ),
        })
    };
}

pub(crate) struct Pipelines {
    pub(crate) frame_layout: wgpu::BindGroupLayout,
    pub(crate) draw_layout: wgpu::BindGroupLayout,
    pub(crate) lut_layout: wgpu::BindGroupLayout,
    pub(crate) geometry_layout: wgpu::BindGroupLayout,
    pub(crate) picture_layout: wgpu::BindGroupLayout,
    pub(crate) pixel: wgpu::RenderPipeline,
    pub(crate) disc: wgpu::RenderPipeline,
    pub(crate) splat: wgpu::RenderPipeline,
    pub(crate) shade: wgpu::RenderPipeline,
    pub(crate) line: wgpu::RenderPipeline,
    pub(crate) line_hidden: wgpu::RenderPipeline,
    pub(crate) face: wgpu::RenderPipeline,
    pub(crate) picture: wgpu::RenderPipeline,
}

fn uniform(binding: u32, bytes: u64, dynamic: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: dynamic,
            min_binding_size: NonZeroU64::new(bytes),
        },
        count: None,
    }
}

pub(crate) fn texture(binding: u32, sample_type: wgpu::TextureSampleType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
        ty: wgpu::BindingType::Texture {
            sample_type,
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
        count: None,
    }
}

pub(crate) fn sampler(binding: u32) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty: wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
        count: None,
    }
}

pub(crate) const FILTERED: wgpu::TextureSampleType = wgpu::TextureSampleType::Float { filterable: true };

/// What tells one pipeline from another.
struct Kind<'a> {
    label: &'a str,
    shader: &'a wgpu::ShaderModule,
    vertex: &'a str,
    fragment: &'a str,
    layouts: &'a [&'a wgpu::BindGroupLayout],
    buffers: &'a [Option<wgpu::VertexBufferLayout<'a>>],
    topology: wgpu::PrimitiveTopology,
    target: wgpu::ColorTargetState,
    depth: Option<(wgpu::CompareFunction, bool)>,
}

fn pipeline(device: &wgpu::Device, kind: &Kind<'_>) -> wgpu::RenderPipeline {
    let layouts: Vec<_> = kind.layouts.iter().map(|layout| Some(*layout)).collect();
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(kind.label),
        bind_group_layouts: &layouts,
        immediate_size: 0,
    });
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(kind.label),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: kind.shader,
            entry_point: Some(kind.vertex),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: kind.buffers,
        },
        primitive: wgpu::PrimitiveState { topology: kind.topology, ..Default::default() },
        depth_stencil: kind.depth.map(|(compare, write)| wgpu::DepthStencilState {
            format: DEPTH_FORMAT,
            depth_write_enabled: Some(write),
            depth_compare: Some(compare),
            stencil: wgpu::StencilState::default(),
            bias: wgpu::DepthBiasState::default(),
        }),
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: kind.shader,
            entry_point: Some(kind.fragment),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(kind.target.clone())],
        }),
        multiview_mask: None,
        cache: None,
    })
}

fn points_layout(step_mode: wgpu::VertexStepMode) -> wgpu::VertexBufferLayout<'static> {
    const ATTRIBUTES: [wgpu::VertexAttribute; 4] =
        wgpu::vertex_attr_array![0 => Float32x3, 1 => Unorm8x4, 2 => Uint32, 3 => Snorm16x2];
    wgpu::VertexBufferLayout { array_stride: BYTES_PER_POINT as u64, step_mode, attributes: &ATTRIBUTES }
}

fn vertices<T>(
    step_mode: wgpu::VertexStepMode,
    attributes: &[wgpu::VertexAttribute],
) -> wgpu::VertexBufferLayout<'_> {
    wgpu::VertexBufferLayout { array_stride: size_of::<T>() as u64, step_mode, attributes }
}

impl Pipelines {
    pub(crate) fn new(device: &wgpu::Device) -> Self {
        use wgpu::{CompareFunction as Compare, PrimitiveTopology as Topology, VertexStepMode as Step};
        let layout = |label, entries: &[wgpu::BindGroupLayoutEntry]| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries })
        };
        let frame_layout = layout("frame", &[uniform(0, FRAME_BYTES, false)]);
        let draw_layout = layout("draw", &[uniform(0, DRAW_BYTES, true)]);
        let lut_layout = layout("lut", &[texture(0, wgpu::TextureSampleType::Float { filterable: false })]);
        let geometry_layout = layout("geometry", &[texture(0, wgpu::TextureSampleType::Uint)]);
        let picture_layout = layout("picture", &[texture(0, FILTERED), sampler(1), uniform(2, 16, false)]);
        let points = shader!(device, "points");
        let splat = shader!(device, "splat");
        let shade = shader!(device, "shade");
        let lines = shader!(device, "lines");
        let faces = shader!(device, "faces");

        let geometry = wgpu::ColorTargetState::from(GEOMETRY_FORMAT);
        let opaque = wgpu::ColorTargetState::from(PICTURE_FORMAT);
        let blended = wgpu::ColorTargetState {
            blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
            ..opaque.clone()
        };
        let of_points = |label, vertex, fragment, topology, step| {
            pipeline(
                device,
                &Kind {
                    label,
                    shader: &points,
                    vertex,
                    fragment,
                    layouts: &[&frame_layout, &draw_layout, &lut_layout],
                    buffers: &[Some(points_layout(step))],
                    topology,
                    target: geometry.clone(),
                    depth: Some((Compare::Greater, true)),
                },
            )
        };
        let of_pixels = |label, shader, target, depth| {
            pipeline(
                device,
                &Kind {
                    label,
                    shader,
                    vertex: "vs_main",
                    fragment: "fs_main",
                    layouts: &[&frame_layout, &geometry_layout],
                    buffers: &[],
                    topology: Topology::TriangleList,
                    target,
                    depth,
                },
            )
        };
        let line_attributes = wgpu::vertex_attr_array![0 => Float32x3, 1 => Float32, 2 => Float32x3, 3 => Float32, 4 => Unorm8x4];
        let of_lines = |label, fragment, compare| {
            pipeline(
                device,
                &Kind {
                    label,
                    shader: &lines,
                    vertex: "vs_main",
                    fragment,
                    layouts: &[&frame_layout],
                    buffers: &[Some(vertices::<LineInstance>(Step::Instance, &line_attributes))],
                    topology: Topology::TriangleList,
                    target: blended.clone(),
                    depth: Some((compare, false)),
                },
            )
        };
        let face_attributes = wgpu::vertex_attr_array![0 => Float32x3, 1 => Unorm8x4];
        let picture_attributes = wgpu::vertex_attr_array![0 => Float32x3, 1 => Float32x2];
        let of_faces = |label, vertex, fragment, layouts: &[&wgpu::BindGroupLayout], buffer| {
            pipeline(
                device,
                &Kind {
                    label,
                    shader: &faces,
                    vertex,
                    fragment,
                    layouts,
                    buffers: &[Some(buffer)],
                    topology: Topology::TriangleList,
                    target: blended.clone(),
                    depth: Some((Compare::GreaterEqual, false)),
                },
            )
        };
        Self {
            pixel: of_points("pixel points", "vs_pixel", "fs_pixel", Topology::PointList, Step::Vertex),
            disc: of_points("disc points", "vs_disc", "fs_disc", Topology::TriangleList, Step::Instance),
            splat: of_pixels("splat", &splat, geometry.clone(), None),
            shade: of_pixels("shade", &shade, opaque.clone(), Some((Compare::Always, true))),
            line: of_lines("lines", "fs_main", Compare::GreaterEqual),
            line_hidden: of_lines("hidden lines", "fs_hidden", Compare::Less),
            face: of_faces(
                "faces",
                "vs_face",
                "fs_face",
                &[&frame_layout],
                vertices::<FaceVertex>(Step::Vertex, &face_attributes),
            ),
            picture: of_faces(
                "picture",
                "vs_picture",
                "fs_picture",
                &[&frame_layout, &picture_layout],
                vertices::<PictureVertex>(Step::Vertex, &picture_attributes),
            ),
            frame_layout,
            draw_layout,
            lut_layout,
            geometry_layout,
            picture_layout,
        }
    }
}
