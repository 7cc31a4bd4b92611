// The geometry buffer as a picture: eye-dome lighting (C. Boucheny, "Visualisation scientifique de grands volumes de
// données", thesis 2009) and outlines of highlighted objects; writes depth so that lines can be tested against points.
//
// The obscurance of a pixel is how far its neighbours stand in front of it. Neighbours are taken in opposite pairs and
// compared in 1/z, which is linear on screen for a plane: floors seen at a flat angle stay as bright as walls.

@group(1) @binding(0) var geometry: texture_2d<u32>;

struct Lit {
    @location(0) color: vec4<f32>,
    @builtin(frag_depth) depth: f32,
};

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return fullscreen(index);
}

fn texel(at: vec2<i32>) -> vec4<u32> {
    return textureLoad(geometry, clamp(at, vec2(0), vec2<i32>(textureDimensions(geometry)) - 1), 0);
}

// 1/z of a neighbour; nothing there counts as level with the pixel itself.
fn nearness(at: vec2<i32>, here: f32) -> f32 {
    let bits = texel(at).x;
    if bits == 0u {
        return here;
    }
    return 1.0 / bitcast<f32>(bits);
}

fn obscurance(at: vec2<i32>, here: f32, radius: f32) -> f32 {
    var directions = array(vec2(1.0, 0.0), vec2(0.0, 1.0), vec2(0.7071, 0.7071), vec2(0.7071, -0.7071));
    var sum = 0.0;
    for (var i = 0; i < 4; i++) {
        let step = vec2<i32>(round(directions[i] * radius));
        let pair = nearness(at + step, here) + nearness(at - step, here);
        let ahead = max(pair * 0.5 - here, 0.0) / here;
        // One near neighbour is enough to darken; ten times nearer must not be ten times darker.
        sum += ahead / (1.0 + 4.0 * ahead);
    }
    return sum * 0.25;
}

fn highlight_of(instance: u32) -> i32 {
    for (var i = 0; i < i32(frame.modes.y); i++) {
        if frame.highlights[i].x == instance {
            return i;
        }
    }
    return -1;
}

@fragment
fn fs_main(@builtin(position) place: vec4<f32>) -> Lit {
    let at = vec2<i32>(place.xy);
    let here = texel(at);
    let mine = highlight_of(here.w);
    let empty = here.x == 0u;
    var out: Lit;
    out.color = vec4(unpack_rgb(here.y), 1.0);
    if frame.modes.y > 0u {
        // An outline just outside a highlighted object, two logical pixels wide.
        let width = i32(max(round(frame.viewport.w * 2.0), 1.0));
        var around = array(vec2(1, 0), vec2(-1, 0), vec2(0, 1), vec2(0, -1), vec2(1, 1), vec2(-1, 1), vec2(1, -1), vec2(-1, -1));
        for (var i = 0; i < 8; i++) {
            let other = texel(at + around[i] * width);
            let theirs = highlight_of(other.w);
            let in_front = empty || bitcast<f32>(other.x) <= bitcast<f32>(here.x) * 1.02;
            if other.x != 0u && theirs >= 0 && theirs != mine && in_front {
                out.color = vec4(unpack_rgb(frame.highlights[theirs].y), 1.0);
                out.depth = frame.eye.w / bitcast<f32>(other.x);
                return out;
            }
        }
    }
    if empty {
        discard;
    }
    let depth = bitcast<f32>(here.x);
    out.depth = frame.eye.w / depth;
    if frame.modes.y > 0u && mine < 0 {
        out.color = vec4(out.color.rgb * frame.shading.z, 1.0);
    }
    if frame.shading.x > 0.0 {
        let near = obscurance(at, 1.0 / depth, max(frame.shading.y, 1.0))
            + obscurance(at, 1.0 / depth, max(frame.shading.y, 1.0) * 2.0) * 0.5;
        out.color = vec4(out.color.rgb * max(exp(-frame.shading.x * near), 0.12), 1.0);
    }
    return out;
}
