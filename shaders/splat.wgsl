// Grows one-pixel points to their size on screen: every pixel takes the nearest point within the radius. The same
// picture as drawing each point as a disc facing the screen, at a cost that does not depend on the number of points.
// Pixels are read as texels, so the pass works where textures of integers cannot be filtered.

@group(1) @binding(0) var geometry: texture_2d<u32>;

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return fullscreen(index);
}

@fragment
fn fs_main(@builtin(position) place: vec4<f32>) -> @location(0) vec4<u32> {
    let here = vec2<i32>(place.xy);
    let last = vec2<i32>(textureDimensions(geometry)) - 1;
    let diameter = i32(frame.point_size.z);
    let low = -(diameter / 2);
    let high = (diameter - 1) / 2;
    // Even diameters have their centre between pixels.
    let shift = f32(low + high) * 0.5;
    let limit = f32(diameter) * 0.5 + 0.21;
    var best = textureLoad(geometry, here, 0);
    for (var y = low; y <= high; y++) {
        for (var x = low; x <= high; x++) {
            let offset = vec2(f32(x), f32(y)) - shift;
            let at = here + vec2(x, y);
            let inside = all(at >= vec2(0)) && all(at <= last);
            if inside && dot(offset, offset) <= limit * limit {
                let other = textureLoad(geometry, at, 0);
                // Bits of positive floats sort as the floats do; wrapping makes 0 (nothing) the farthest.
                if other.x - 1u < best.x - 1u {
                    best = other;
                }
            }
        }
    }
    return best;
}
