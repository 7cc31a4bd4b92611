//! A furnished room with exact geometry, and a device to draw it on. Shared by the tests and the frame rate example.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each user takes a part of it")]

use std::sync::Arc;

use glam::Vec3;
use plumb_viewer::{
    CaptureCamera, Cloud, Emphasis, Image, NO_INSTANCE, OrientedBox, Scene, Segment, ViewOptions,
    instance_color,
};

pub(crate) fn device() -> Option<(wgpu::Device, wgpu::Queue, String)> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter =
        futures_lite::future::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
    let Ok(adapter) = adapter else {
        eprintln!("SKIPPED: no graphics adapter on this machine, nothing was drawn and nothing was tested");
        return None;
    };
    let name = adapter.get_info().name;
    // WebGL2's limits apart from texture sizes: what is tested here is what a browser offers.
    let required_limits = wgpu::Limits::downlevel_webgl2_defaults().using_resolution(adapter.limits());
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    let (device, queue) = futures_lite::future::block_on(adapter.request_device(&descriptor))
        .expect("the adapter gives a device");
    Some((device, queue, name))
}

/// An axis-aligned solid: lower corner, upper corner, object, colour.
pub(crate) struct Solid {
    pub(crate) min: Vec3,
    pub(crate) max: Vec3,
    pub(crate) instance: u32,
    pub(crate) color: [u8; 3],
    pub(crate) name: &'static str,
}

pub(crate) fn solids() -> Vec<Solid> {
    let solid = |min: [f32; 3], max: [f32; 3], instance, color, name| Solid {
        min: min.into(),
        max: max.into(),
        instance,
        color,
        name,
    };
    let none = NO_INSTANCE;
    vec![
        solid([-2.5, 0.0, -0.1], [2.5, 5.0, 0.0], none, [168, 140, 108], "floor"),
        solid([-2.5, 5.0, 0.0], [2.5, 5.1, 2.6], none, [205, 203, 196], "wall"),
        solid([-2.6, 0.0, 0.0], [-2.5, 5.0, 2.6], none, [190, 198, 204], "wall"),
        solid([2.5, 0.0, 0.0], [2.6, 5.0, 2.6], none, [196, 190, 186], "wall"),
        solid([-2.3, 3.9, 0.0], [-0.1, 4.8, 0.45], 0, [70, 100, 140], "sofa"),
        solid([-2.3, 4.6, 0.45], [-0.1, 4.8, 0.9], 0, [60, 90, 130], "sofa"),
        solid([-1.2, 2.4, 0.36], [0.2, 3.1, 0.42], 1, [120, 78, 48], "table"),
        solid([-1.15, 2.45, 0.0], [-1.07, 2.53, 0.36], 1, [100, 64, 40], "table"),
        solid([0.07, 2.45, 0.0], [0.15, 2.53, 0.36], 1, [100, 64, 40], "table"),
        solid([-1.15, 2.97, 0.0], [-1.07, 3.05, 0.36], 1, [100, 64, 40], "table"),
        solid([0.07, 2.97, 0.0], [0.15, 3.05, 0.36], 1, [100, 64, 40], "table"),
        solid([1.2, 4.2, 0.0], [2.3, 4.9, 1.9], 2, [150, 110, 70], "wardrobe"),
        solid([1.1, 2.2, 0.0], [1.7, 2.8, 0.46], 3, [180, 60, 50], "stool"),
        solid([-0.6, 2.6, 0.42], [-0.4, 2.8, 0.72], 4, [230, 190, 60], "lamp"),
    ]
}

/// The nearest hit: distance, outward normal, solid.
fn cast(solids: &[Solid], from: Vec3, direction: Vec3) -> Option<(f32, Vec3, &Solid)> {
    let mut best: Option<(f32, Vec3, &Solid)> = None;
    for solid in solids {
        let (a, b) = ((solid.min - from) / direction, (solid.max - from) / direction);
        let (low, high) = (a.min(b), a.max(b));
        let (enter, exit) = (low.max_element(), high.min_element());
        if enter > 1e-4 && enter <= exit && best.is_none_or(|(found, ..)| enter < found) {
            let axis = low.max_position();
            let normal = -Vec3::AXES[axis] * direction[axis].signum();
            best = Some((enter, normal, solid));
        }
    }
    best
}

fn texture(at: Vec3, normal: Vec3, solid: &Solid) -> [u8; 3] {
    // Planks, plaster and cloth: enough structure to see where a picture is sharp.
    let stripe = if normal.z > 0.5 && solid.name == "floor" {
        if (at.x * 5.0).floor() as i32 % 2 == 0 { 0.92 } else { 1.04 }
    } else if ((at.x * 12.0).sin() * (at.y * 12.0).sin() * (at.z * 12.0).sin()) > 0.35 {
        0.93
    } else {
        1.0
    };
    let light = (0.55 + 0.45 * normal.dot(Vec3::new(0.35, -0.5, 0.79)).max(0.0)) * stripe;
    solid.color.map(|value| (f32::from(value) * light).min(255.0) as u8)
}

pub(crate) fn capture(width: u32, height: u32) -> CaptureCamera {
    let focal = width as f32 * 0.8;
    // Looking along +y and 12° down.
    let (sin, cos) = 12_f32.to_radians().sin_cos();
    CaptureCamera {
        position: [0.3, 0.2, 1.5],
        rotation: [[1.0, 0.0, 0.0], [0.0, -sin, cos], [0.0, -cos, -sin]],
        focal: [focal, focal],
        center: [width as f32 / 2.0, height as f32 / 2.0],
        size: [width, height],
        image: None,
    }
}

/// What a depth camera sees of the room, one point per pixel.
pub(crate) fn room(width: u32, height: u32) -> Scene {
    let mut capture = capture(width, height);
    let solids = solids();
    let (mut positions, mut colors, mut normals) = (Vec::new(), Vec::new(), Vec::new());
    let (mut instances, mut confidence, mut photo) = (Vec::new(), Vec::new(), Vec::new());
    for y in 0..height {
        for x in 0..width {
            let ahead = Vec3::from(capture.lift([x as f32 + 0.5, y as f32 + 0.5], 1.0));
            let from = Vec3::from(capture.position);
            let direction = ahead - from;
            let Some((distance, normal, solid)) = cast(&solids, from, direction) else {
                photo.extend([40, 44, 50, 255]);
                continue;
            };
            let at = from + direction * distance;
            let color = texture(at, normal, solid);
            photo.extend([color[0], color[1], color[2], 255]);
            positions.push(at.to_array());
            colors.push(color);
            normals.push(normal.to_array());
            instances.push(solid.instance);
            confidence.push((-direction.normalize().dot(normal)).clamp(0.0, 1.0));
        }
    }
    capture.image = Some(Arc::new(Image::new(width, height, photo).unwrap()));
    let cloud = Cloud::new(positions, colors)
        .and_then(|cloud| cloud.with_normals(normals))
        .and_then(|cloud| cloud.with_instances(instances))
        .and_then(|cloud| cloud.with_confidence(confidence))
        .unwrap();
    Scene { cloud: Some(Arc::new(cloud)), boxes: boxes(), segments: vec![proof()], capture: Some(capture) }
}

pub(crate) fn boxes() -> Vec<OrientedBox> {
    let shape = |id: u32, min: [f32; 3], max: [f32; 3], label: &str| OrientedBox {
        id,
        center: std::array::from_fn(|i| (min[i] + max[i]) / 2.0),
        half_size: std::array::from_fn(|i| (max[i] - min[i]) / 2.0),
        rotation: [0.0, 0.0, 0.0, 1.0],
        color: instance_color(id),
        label: label.into(),
        emphasis: Emphasis::None,
    };
    let mut boxes = vec![
        shape(0, [-2.3, 3.9, 0.0], [-0.1, 4.8, 0.9], "sofa"),
        shape(1, [-1.2, 2.4, 0.0], [0.2, 3.1, 0.42], "table"),
        shape(2, [1.2, 4.2, 0.0], [2.3, 4.9, 1.9], "wardrobe"),
        shape(3, [1.1, 2.2, 0.0], [1.7, 2.8, 0.46], "stool"),
        shape(4, [-0.6, 2.6, 0.42], [-0.4, 2.8, 0.72], "lamp"),
    ];
    boxes[0].emphasis = Emphasis::Proof;
    boxes[3].emphasis = Emphasis::Proof;
    boxes
}

pub(crate) fn proof() -> Segment {
    Segment {
        from: [-0.1, 4.0, 0.4],
        to: [1.1, 2.8, 0.4],
        color: [0xf0, 0xe4, 0x42],
        label: "1.7 m".into(),
        arrow: false,
    }
}

/// SplitMix64: numbers in 0..1 that do not depend on anything but the seed.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }
}

/// `count` points spread over every surface of the room.
pub(crate) fn dense_room(count: usize) -> Cloud {
    let solids = solids();
    let mut numbers = Numbers(7);
    let faces: Vec<(usize, usize, f32)> = solids
        .iter()
        .enumerate()
        .flat_map(|(index, solid)| {
            let size = solid.max - solid.min;
            [size.y * size.z, size.x * size.z, size.x * size.y]
                .into_iter()
                .enumerate()
                .map(move |(axis, area)| (index, axis, area))
        })
        .collect();
    let total: f32 = faces.iter().map(|face| face.2).sum();
    let (mut positions, mut colors) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut instances = Vec::with_capacity(count);
    for _ in 0..count {
        let mut left = numbers.next() * total;
        let face = faces.iter().find(|face| {
            left -= face.2;
            left <= 0.0
        });
        let &(index, axis, _) = face.unwrap_or(&faces[0]);
        let solid = &solids[index];
        let mut place = Vec3::new(numbers.next(), numbers.next(), numbers.next());
        place[axis] = place[axis].round();
        let at = solid.min + place * (solid.max - solid.min);
        let normal = Vec3::AXES[axis] * (place[axis] * 2.0 - 1.0);
        positions.push(at.to_array());
        colors.push(texture(at, normal, solid));
        instances.push(solid.instance);
    }
    Cloud::new(positions, colors).and_then(|cloud| cloud.with_instances(instances)).unwrap()
}

/// Nothing but points.
pub(crate) fn bare() -> ViewOptions {
    ViewOptions { edl: 0.0, grid: false, boxes: false, background: [0, 0, 0], ..ViewOptions::default() }
}

/// Writes a picture where the environment asks for it, to be looked at.
pub(crate) fn keep(name: &str, [width, height]: [u32; 2], rgba: &[u8]) {
    if let Ok(folder) = std::env::var("PLUMBLINE_KEEP_PICTURES") {
        let path = std::path::Path::new(&folder).join(format!("{name}.png"));
        image::RgbaImage::from_raw(width, height, rgba.to_vec()).unwrap().save(path).unwrap();
    }
}
