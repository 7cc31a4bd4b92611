// Points into the geometry buffer. `vs_pixel` draws one pixel per point (the splat pass grows it afterwards);
// `vs_disc` draws a disc per point as an instanced triangle around it, for sizes in space.

struct Draw {
    // Slot of the first point of this draw call.
    first: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
};

@group(1) @binding(0) var<uniform> draw: Draw;
// Row 0: the sequential map; row 1: colours of objects.
@group(2) @binding(0) var lut: texture_2d<f32>;

struct Point {
    @location(0) position: vec3<f32>,
    @location(1) color: vec4<f32>,
    @location(2) instance: u32,
    @location(3) normal: vec2<f32>,
};

struct Shaded {
    @builtin(position) clip: vec4<f32>,
    // depth, rgb, slot + 1, instance
    @location(0) @interpolate(flat, either) texel: vec4<u32>,
    @location(1) offset: vec2<f32>,
};

fn sequential(value: f32) -> vec3<f32> {
    let index = i32(clamp(value, 0.0, 1.0) * 255.0 + 0.5);
    return textureLoad(lut, vec2(index, 0), 0).rgb;
}

fn fraction(value: f32, low: f32, high: f32) -> f32 {
    return (value - low) / max(high - low, 1e-6);
}

fn decode_normal(code: vec2<f32>) -> vec3<f32> {
    let z = 1.0 - abs(code.x) - abs(code.y);
    let fold = max(-z, 0.0);
    let signs = select(vec2(-1.0), vec2(1.0), code >= vec2(0.0));
    return normalize(vec3(code - fold * signs, z));
}

fn shade(point: Point) -> vec3<f32> {
    switch frame.modes.x {
        case 1u: {
            return sequential(fraction(distance(point.position, frame.capture.xyz), frame.ranges.x, frame.ranges.y));
        }
        case 2u: {
            // Both halves at the end of the range: no direction known.
            if all(point.normal <= vec2(-0.99999)) {
                return vec3(0.42, 0.45, 0.5);
            }
            return decode_normal(point.normal) * 0.5 + 0.5;
        }
        case 3u: {
            return sequential(fraction(point.position.z + frame.capture.w, frame.ranges.z, frame.ranges.w));
        }
        case 4u: {
            if point.instance == 0xffffffffu {
                return vec3(0.42, 0.455, 0.502);
            }
            return textureLoad(lut, vec2(i32(point.instance & 255u), 1), 0).rgb;
        }
        case 5u: {
            return sequential(point.color.a);
        }
        default: {
            return point.color.rgb;
        }
    }
}

fn shaded(point: Point, clip: vec4<f32>, slot: u32) -> Shaded {
    var out: Shaded;
    out.clip = clip;
    out.texel = vec4(bitcast<u32>(clip.w), pack_rgb(shade(point)), slot + 1u, point.instance);
    out.offset = vec2(0.0);
    return out;
}

@vertex
fn vs_pixel(point: Point, @builtin(vertex_index) index: u32) -> Shaded {
    let clip = frame.clip_from_world * vec4(point.position, 1.0);
    return shaded(point, clip, draw.first + index);
}

fn radius_in_pixels(position: vec3<f32>, depth: f32) -> f32 {
    let diameter = frame.point_size.y;
    var radius = diameter * 0.5;
    if frame.point_size.x > 0.5 {
        var metres = diameter;
        if frame.point_size.x > 1.5 {
            metres = diameter * distance(position, frame.capture.xyz);
        }
        radius = metres * 0.5 * frame.viewport.z / max(depth, 1e-6);
    }
    // A disc of this least radius always covers the centre of some pixel.
    return clamp(radius, 0.7072, 128.0);
}

@vertex
fn vs_disc(
    point: Point,
    @builtin(vertex_index) corner: u32,
    @builtin(instance_index) index: u32,
) -> Shaded {
    let clip = frame.clip_from_world * vec4(point.position, 1.0);
    var out = shaded(point, clip, draw.first + index);
    // The equilateral triangle around the unit circle.
    var corners = array(vec2(0.0, 2.0), vec2(-1.7320508, -1.0), vec2(1.7320508, -1.0));
    let offset = corners[corner % 3u];
    let radius = radius_in_pixels(point.position, clip.w);
    out.clip = vec4(clip.xy + offset * radius * 2.0 / frame.viewport.xy * clip.w, clip.zw);
    out.offset = offset;
    return out;
}

@fragment
fn fs_pixel(in: Shaded) -> @location(0) vec4<u32> {
    return in.texel;
}

@fragment
fn fs_disc(in: Shaded) -> @location(0) vec4<u32> {
    if dot(in.offset, in.offset) > 1.0 {
        discard;
    }
    return in.texel;
}
