//! The finished picture inside egui's own pass.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::gpu::{FILTERED, sampler, texture};

/// Draws one view's picture over its panel. The picture lives in egui's resources, not here: on the web GPU handles
/// cannot move between threads, and callbacks must be able to.
struct PaintPicture {
    view: u64,
}

struct Entry {
    alive: Weak<()>,
    pipeline: wgpu::RenderPipeline,
    group: wgpu::BindGroup,
}

/// Pictures of all views of one window.
#[derive(Default)]
struct Pictures(BTreeMap<u64, Entry>);

/// One view's place in egui's resources.
pub(crate) struct Composite {
    view: u64,
    alive: Arc<()>,
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
}

impl Composite {
    pub(crate) fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let shader = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("composite"),
            source: wgpu::ShaderSource::Wgsl(include_str!("../../../shaders/composite.wgsl").into()),
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("composite"),
            entries: &[texture(0, FILTERED), sampler(1)],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("composite"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let fragment = if target.is_srgb() { "fs_linear" } else { "fs_gamma" };
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("composite"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &shader,
                entry_point: Some("vs_main"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &shader,
                entry_point: Some(fragment),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(target.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        Self {
            view: NEXT.fetch_add(1, Ordering::Relaxed),
            alive: Arc::new(()),
            pipeline,
            layout,
            sampler: device.create_sampler(&wgpu::SamplerDescriptor::default()),
        }
    }

    /// Tells egui which picture to show from now on; needed whenever the texture is a new one.
    pub(crate) fn show(&self, state: &egui_wgpu::RenderState, picture: &wgpu::Texture) {
        let view = picture.create_view(&wgpu::TextureViewDescriptor::default());
        let group = state.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("composite"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(&self.sampler) },
            ],
        });
        let entry = Entry { alive: Arc::downgrade(&self.alive), pipeline: self.pipeline.clone(), group };
        let mut renderer = state.renderer.write();
        let pictures = renderer.callback_resources.entry::<Pictures>().or_insert_with(Pictures::default);
        // Views that are gone free their pictures here.
        pictures.0.retain(|_, entry| entry.alive.strong_count() > 0);
        pictures.0.insert(self.view, entry);
    }

    /// The shape that shows the picture in `rect`.
    pub(crate) fn shape(&self, rect: egui::Rect) -> egui::epaint::PaintCallback {
        egui_wgpu::Callback::new_paint_callback(rect, PaintPicture { view: self.view })
    }
}

impl egui_wgpu::CallbackTrait for PaintPicture {
    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &egui_wgpu::CallbackResources,
    ) {
        let Some(entry) = resources.get::<Pictures>().and_then(|pictures| pictures.0.get(&self.view)) else {
            return;
        };
        pass.set_pipeline(&entry.pipeline);
        pass.set_bind_group(0, &entry.group, &[]);
        pass.draw(0..3, 0..1);
    }
}
