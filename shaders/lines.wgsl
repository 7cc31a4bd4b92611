// Lines of a width in pixels, one instance of six vertices each, cut at the near plane and smoothed at their edges.
// The parts behind points are drawn by `fs_hidden`, faint and dashed.

struct Line {
    @location(0) a: vec3<f32>,
    // Width in logical pixels.
    @location(1) width: f32,
    @location(2) b: vec3<f32>,
    // Depth in metres at which the line has faded out; 0: never.
    @location(3) fade: f32,
    @location(4) color: vec4<f32>,
};

struct Stroke {
    @builtin(position) clip: vec4<f32>,
    @location(0) color: vec4<f32>,
    // Pixels from the centre line, and along it.
    @location(1) @interpolate(linear) across: f32,
    @location(2) @interpolate(linear) along: f32,
    @location(3) @interpolate(flat, either) half_width: f32,
};

fn ahead(start: vec4<f32>, end: vec4<f32>) -> vec4<f32> {
    let near = frame.eye.w;
    if start.w >= near {
        return start;
    }
    return mix(start, end, (near - start.w) / (end.w - start.w));
}

@vertex
fn vs_main(line: Line, @builtin(vertex_index) index: u32) -> Stroke {
    var out: Stroke;
    let start = frame.clip_from_world * vec4(line.a, 1.0);
    let end = frame.clip_from_world * vec4(line.b, 1.0);
    out.color = line.color;
    out.half_width = line.width * frame.viewport.w * 0.5;
    if start.w < frame.eye.w && end.w < frame.eye.w {
        out.clip = vec4(2.0, 2.0, 0.0, 1.0);
        return out;
    }
    let a = ahead(start, end);
    let b = ahead(end, start);
    let half_size = frame.viewport.xy * 0.5;
    let run = (b.xy / b.w - a.xy / a.w) * half_size;
    let reach = length(run);
    var direction = vec2(1.0, 0.0);
    if reach > 1e-6 {
        direction = run / reach;
    }
    var corners = array(vec2(0.0, -1.0), vec2(1.0, -1.0), vec2(1.0, 1.0), vec2(0.0, -1.0), vec2(1.0, 1.0), vec2(0.0, 1.0));
    let corner = corners[index % 6u];
    var base = a;
    if corner.x > 0.5 {
        base = b;
    }
    out.across = corner.y * (out.half_width + 1.0);
    out.along = corner.x * reach;
    let side = vec2(-direction.y, direction.x) * out.across;
    // Slightly nearer than it is, so that an edge lying on a surface is not eaten by it.
    out.clip = vec4(base.xy + side / half_size * base.w, base.z * 1.003, base.w);
    if line.fade > 0.0 {
        let t = clamp(base.w / line.fade, 0.0, 1.0);
        out.color.a *= (1.0 - t) * (1.0 - t);
    }
    return out;
}

fn stroke(in: Stroke) -> vec4<f32> {
    // Lines thinner than a pixel keep a pixel's edge and lose strength.
    let cover = clamp(in.half_width + 0.5 - abs(in.across), 0.0, 1.0) * min(in.half_width * 2.0, 1.0);
    let alpha = in.color.a * cover;
    return vec4(in.color.rgb * alpha, alpha);
}

@fragment
fn fs_main(in: Stroke) -> @location(0) vec4<f32> {
    return stroke(in);
}

@fragment
fn fs_hidden(in: Stroke) -> @location(0) vec4<f32> {
    let period = 8.0 * frame.viewport.w;
    let dash = step(fract(in.along / period), 0.5);
    return stroke(in) * 0.45 * dash;
}
