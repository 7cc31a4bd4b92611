// What every shader of the 3D viewer knows about the picture. Prepended to the other files; the layout is that of
// `FrameUniform` in ui/viewer/src/gpu/frame.rs. World positions are relative to the cloud's origin, in metres.
struct Frame {
    clip_from_world: mat4x4<f32>,
    // xyz: optical centre; w: depth of the near plane.
    eye: vec4<f32>,
    // xyz: optical centre of the capture camera; w: height of the cloud's origin above the ground.
    capture: vec4<f32>,
    // width, height in pixels; focal length in pixels; pixels per logical pixel.
    viewport: vec4<f32>,
    // depth range (low, high) and height range (low, high) of the colour map, metres.
    ranges: vec4<f32>,
    // kind of point size (0 pixels, 1 metres, 2 metres per metre of distance to the capture camera); the diameter;
    // the splat pass' diameter in pixels.
    point_size: vec4<f32>,
    // strength (0: off), radius in pixels, factor on points outside the highlighted objects, unused.
    shading: vec4<f32>,
    // colour mode, number of highlights.
    modes: vec4<u32>,
    // x: instance, y: colour as packed rgb.
    highlights: array<vec4<u32>, 8>,
};

@group(0) @binding(0) var<uniform> frame: Frame;


fn pack_rgb(color: vec3<f32>) -> u32 {
    let bytes = vec3<u32>(clamp(color, vec3(0.0), vec3(1.0)) * 255.0 + 0.5);
    return bytes.x | (bytes.y << 8u) | (bytes.z << 16u);
}

fn unpack_rgb(code: u32) -> vec3<f32> {
    return vec3<f32>(vec3(code & 255u, (code >> 8u) & 255u, (code >> 16u) & 255u)) / 255.0;
}

// A triangle that covers the picture, without vertex buffers.
fn fullscreen(index: u32) -> vec4<f32> {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}
