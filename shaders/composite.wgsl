// The finished picture into egui's pass. Stands alone: egui's pass has its own bindings.

@group(0) @binding(0) var finished: texture_2d<f32>;
@group(0) @binding(1) var nearest_sampler: sampler;

struct Corner {
    @builtin(position) clip: vec4<f32>,
    @location(0) uv: vec2<f32>,
};

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> Corner {
    var out: Corner;
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    out.clip = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
    out.uv = vec2(corner.x, 1.0 - corner.y);
    return out;
}

// For targets that store what they are given.
@fragment
fn fs_gamma(in: Corner) -> @location(0) vec4<f32> {
    return vec4(textureSample(finished, nearest_sampler, in.uv).rgb, 1.0);
}

// For sRGB targets, which encode what they are given.
@fragment
fn fs_linear(in: Corner) -> @location(0) vec4<f32> {
    let color = textureSample(finished, nearest_sampler, in.uv).rgb;
    let low = color / 12.92;
    let high = pow((color + 0.055) / 1.055, vec3(2.4));
    return vec4(select(high, low, color <= vec3(0.04045)), 1.0);
}
