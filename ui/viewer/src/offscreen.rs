//! Pictures without a window: thumbnails, exports, tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::ViewerError;
use crate::camera::Camera;
use crate::compose::{self, Ranges};
use crate::data::Scene;
use crate::gpu::{Job, Readback, Renderer};
use crate::options::{Pick, ViewOptions};
use crate::pointing::point_pick;

/// Draws scenes into pictures of any size. Keep it: pipelines and the uploaded cloud are reused.
pub struct Offscreen {
    renderer: Renderer,
    ranges: Ranges,
    size: [u32; 2],
}

/// RGBA bytes on their way from the device. Nothing waits: ask [`PendingPicture::poll`] until it answers.
pub struct PendingPicture {
    buffer: wgpu::Buffer,
    state: Arc<AtomicU8>,
    size: [u32; 2],
    row: u32,
}

/// What is under a pixel, on its way from the device.
pub struct PendingPick {
    readback: Option<Readback>,
}

impl Offscreen {
    /// Shares `device` and `queue` with whoever else uses them.
    #[must_use]
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        Self::with_points_on(device, queue, None)
    }

    /// As [`Offscreen::new`], saying who draws the points: the processor (`Some(true)`), the device
    /// (`Some(false)`), or the processor exactly if the device is one too (`None`).
    #[must_use]
    pub fn with_points_on(device: &wgpu::Device, queue: &wgpu::Queue, processor: Option<bool>) -> Self {
        Self {
            renderer: Renderer::new(device.clone(), queue.clone(), processor),
            ranges: Ranges::default(),
            size: [1, 1],
        }
    }

    /// Uploads the scene's cloud as far as it is not there yet; the first picture of a cloud does it otherwise.
    pub fn upload(&mut self, scene: &Scene) {
        self.renderer.set_cloud(scene.cloud.as_deref(), usize::MAX);
    }

    /// Draws every point of `scene` (labels are left to the caller) into a picture of `size` pixels.
    ///
    /// # Errors
    /// [`ViewerError::Size`] if a side is 0 or beyond the device's textures.
    pub fn render(
        &mut self,
        scene: &Scene,
        camera: &Camera,
        size: [u32; 2],
        options: &ViewOptions,
    ) -> Result<(), ViewerError> {
        self.render_prefix(scene, camera, size, options, u32::MAX)
    }

    /// As [`Offscreen::render`] with at most `points` points, a uniform subsample.
    ///
    /// # Errors
    /// As [`Offscreen::render`].
    pub fn render_prefix(
        &mut self,
        scene: &Scene,
        camera: &Camera,
        size: [u32; 2],
        options: &ViewOptions,
        points: u32,
    ) -> Result<(), ViewerError> {
        let limit = self.renderer.device.limits().max_texture_dimension_2d;
        let [width, height] = size;
        if size.iter().any(|side| !(1..=limit).contains(side)) {
            return Err(ViewerError::Size { width, height, limit });
        }
        self.size = size;
        self.upload(scene);
        let frame = compose::frame(scene, options, camera, &self.renderer, &mut self.ranges, size, 1.0);
        let overlay = compose::overlay(scene, options, &self.renderer, &[]);
        let image = scene.capture.as_ref().and_then(|capture| capture.image.as_deref());
        self.renderer.render(&Job {
            frame: &frame,
            size,
            slots: 0..points,
            points: true,
            overlay: &overlay,
            background: options.background,
            image: image.map(|image| (image, options.image_opacity)),
        });
        Ok(())
    }

    /// Starts to read the last picture.
    #[must_use]
    pub fn read(&self) -> PendingPicture {
        let [width, height] = self.size;
        // Rows of a copy are multiples of 256 bytes.
        let row = (width * 4).next_multiple_of(256);
        let device = &self.renderer.device;
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("picture"),
            size: u64::from(row) * u64::from(height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let state = Arc::new(AtomicU8::new(0));
        if let Some(picture) = self.renderer.picture() {
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_texture_to_buffer(
                picture.as_image_copy(),
                wgpu::TexelCopyBufferInfo {
                    buffer: &buffer,
                    layout: wgpu::TexelCopyBufferLayout {
                        offset: 0,
                        bytes_per_row: Some(row),
                        rows_per_image: None,
                    },
                },
                picture.size(),
            );
            self.renderer.queue.submit([encoder.finish()]);
        }
        let report = Arc::clone(&state);
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            report.store(if result.is_ok() { 1 } else { 2 }, Ordering::Release);
        });
        PendingPicture { buffer, state, size: self.size, row }
    }

    /// Starts to find the point under a pixel of the last picture.
    #[must_use]
    pub fn pick(&self, pixel: [u32; 2]) -> PendingPick {
        PendingPick { readback: self.renderer.read_around(pixel) }
    }

    /// The answer of [`Offscreen::pick`] once it is there: the point of `scene` drawn within `radius` pixels.
    #[must_use]
    pub fn poll_pick(&self, pending: &PendingPick, scene: &Scene, radius: f32) -> Option<Option<Pick>> {
        let Some(readback) = &pending.readback else { return Some(None) };
        let hit = readback.poll(radius)?;
        Some(hit.and_then(|hit| point_pick(&self.renderer, scene, hit)))
    }
}

impl PendingPicture {
    /// `width * height * 4` bytes, sRGB, row by row from the top; `None` while they are not there. Polls the device's
    /// callbacks only where something calls [`wgpu::Device::poll`] or submits.
    ///
    /// # Errors
    /// [`ViewerError::Readback`] if the device was lost.
    #[must_use]
    pub fn poll(&self) -> Option<Result<Vec<u8>, ViewerError>> {
        let lost = || ViewerError::Readback("the buffer could not be mapped".to_owned());
        match self.state.load(Ordering::Acquire) {
            0 => None,
            1 => Some(self.buffer.get_mapped_range(..).map_err(|_| lost()).map(|mapped| {
                let width = self.size[0] as usize * 4;
                mapped.chunks_exact(self.row as usize).flat_map(|row| &row[..width]).copied().collect()
            })),
            _ => Some(Err(lost())),
        }
    }

    /// Waits for the picture. Not in a browser, which cannot wait: use [`PendingPicture::poll`] there.
    ///
    /// # Errors
    /// [`ViewerError::Readback`] if the device was lost or did not answer within a minute.
    #[cfg(not(target_family = "wasm"))]
    pub fn wait(&self, device: &wgpu::Device) -> Result<Vec<u8>, ViewerError> {
        let timeout = Some(std::time::Duration::from_secs(60));
        device
            .poll(wgpu::PollType::Wait { submission_index: None, timeout })
            .map_err(|error| ViewerError::Readback(error.to_string()))?;
        self.poll().unwrap_or_else(|| Err(ViewerError::Readback("no answer".to_owned())))
    }
}

/// One picture of a scene, start to end: see [`Offscreen`] to draw several.
///
/// # Errors
/// As [`Offscreen::render`].
pub fn render_to_rgba(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    scene: &Scene,
    camera: &Camera,
    size: [u32; 2],
    options: &ViewOptions,
) -> Result<PendingPicture, ViewerError> {
    let mut offscreen = Offscreen::new(device, queue);
    offscreen.render(scene, camera, size, options)?;
    Ok(offscreen.read())
}
