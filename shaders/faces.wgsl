// Flat triangles of one colour (tinted boxes, arrow heads) and the photograph inside its frustum.

struct Face {
    @location(0) position: vec3<f32>,
    @location(1) color: vec4<f32>,
};

struct Picture {
    @location(0) position: vec3<f32>,
    @location(1) uv: vec2<f32>,
};

struct Flat {
    @builtin(position) clip: vec4<f32>,
    @location(0) color: vec4<f32>,
};

struct Textured {
    @builtin(position) clip: vec4<f32>,
    @location(0) uv: vec2<f32>,
};

@group(1) @binding(0) var picture: texture_2d<f32>;
@group(1) @binding(1) var smooth_sampler: sampler;
// x: opacity.
@group(1) @binding(2) var<uniform> picture_style: vec4<f32>;

@vertex
fn vs_face(face: Face) -> Flat {
    var out: Flat;
    out.clip = frame.clip_from_world * vec4(face.position, 1.0);
    out.color = vec4(face.color.rgb * face.color.a, face.color.a);
    return out;
}

@fragment
fn fs_face(in: Flat) -> @location(0) vec4<f32> {
    return in.color;
}

@vertex
fn vs_picture(corner: Picture) -> Textured {
    var out: Textured;
    out.clip = frame.clip_from_world * vec4(corner.position, 1.0);
    out.uv = corner.uv;
    return out;
}

@fragment
fn fs_picture(in: Textured) -> @location(0) vec4<f32> {
    let color = textureSample(picture, smooth_sampler, in.uv);
    let alpha = color.a * picture_style.x;
    return vec4(color.rgb * alpha, alpha);
}
