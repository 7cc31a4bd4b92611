//! Point clouds as PLY.
//!
//! The names of the properties are those that Open3D, CloudCompare and MeshLab look for; `instance` is shown by CloudCompare as a scalar field and
//! passed over by the others.

use std::io::{Cursor, Write};

use serde::Deserialize;
use serde_ply::{PlyFormat, PlyHeader, PlyReader, PropertyType, ScalarType};

use super::cannot_write;
use crate::{ColouredCloud, Result, SceneError};

/// A point of a PLY file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlyPoint {
    /// Metres.
    pub position: [f32; 3],
    /// Of unit length; written as 0 where absent if other points have one.
    pub normal: Option<[f32; 3]>,
    pub colour: [u8; 3],
    /// Object number, 0 for none.
    pub instance: u16,
}

/// The points of a cloud, for [`write_ply`].
///
/// # Errors
/// As [`ColouredCloud::check`].
pub fn cloud_points(cloud: &ColouredCloud) -> Result<Vec<PlyPoint>> {
    cloud.check()?;
    let point = |(at, (&position, &colour))| PlyPoint {
        position,
        normal: cloud.normals.get(at).copied(),
        colour,
        instance: cloud.instances.get(at).copied().unwrap_or(0),
    };
    Ok(cloud.positions.iter().zip(&cloud.colours).enumerate().map(point).collect())
}

/// Writes a binary little-endian PLY. Normals are left out if no point has one.
///
/// # Errors
/// [`SceneError::Io`] if `out` fails.
pub fn write_ply(mut out: impl Write, points: &[PlyPoint]) -> Result<()> {
    let normals = points.iter().any(|point| point.normal.is_some());
    let mut header = format!(
        "ply\nformat binary_little_endian 1.0\ncomment metres; x right, y forward, z up\nelement vertex {}\n",
        points.len()
    );
    for name in ["x", "y", "z"].into_iter().chain(["nx", "ny", "nz"].into_iter().filter(|_| normals)) {
        header += &format!("property float {name}\n");
    }
    header += "property uchar red\nproperty uchar green\nproperty uchar blue\nproperty ushort instance\nend_header\n";
    let row = if normals { 29 } else { 17 };
    // Written in pieces: a cloud of millions of points is not held twice.
    let mut bytes = header.into_bytes();
    for piece in points.chunks(16_384) {
        bytes.reserve(piece.len() * row);
        for point in piece {
            bytes.extend(point.position.iter().flat_map(|x| x.to_le_bytes()));
            if normals {
                bytes.extend(point.normal.unwrap_or_default().iter().flat_map(|x| x.to_le_bytes()));
            }
            bytes.extend(point.colour);
            bytes.extend(point.instance.to_le_bytes());
        }
        out.write_all(&bytes).map_err(cannot_write("PLY"))?;
        bytes.clear();
    }
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(cannot_write("PLY"))
}

/// The most points that are read.
const MAX_POINTS: usize = 100_000_000;

/// A row as other programs write it. Properties that are not listed are passed over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Vertex {
    x: f64,
    y: f64,
    z: f64,
    #[serde(alias = "normal_x")]
    nx: f32,
    #[serde(alias = "normal_y")]
    ny: f32,
    #[serde(alias = "normal_z")]
    nz: f32,
    #[serde(alias = "diffuse_red", alias = "r")]
    red: f32,
    #[serde(alias = "diffuse_green", alias = "g")]
    green: f32,
    #[serde(alias = "diffuse_blue", alias = "b")]
    blue: f32,
    #[serde(alias = "label", alias = "object_id", alias = "scalar_instance")]
    instance: f64,
}

/// Reads the vertices of a PLY (binary or text) as a cloud in its own axes. Without colours the points are grey. Faces and all else are passed over.
///
/// # Errors
/// [`SceneError::Format`] naming the file (`name`): no PLY, no vertices with x, y and z, cut off, more points than its bytes can hold or than 100 million,
/// positions that are not finite.
pub fn read_ply(bytes: &[u8], name: &str) -> Result<ColouredCloud> {
    let wrong = |detail: String| SceneError::Format { path: name.to_owned(), detail };
    let mut text = bytes.get(..bytes.len().min(1 << 20)).unwrap_or_default();
    if !(bytes.starts_with(b"ply\n") || bytes.starts_with(b"ply\r\n")) {
        return Err(wrong("not a PLY: it does not start with 'ply'".to_owned()));
    }
    // The header is read as text before the library reads it: its lines must be short for that.
    let Some(end) = find(text, b"end_header") else {
        return Err(wrong("the PLY header has no end".to_owned()));
    };
    text = text.get(..end).unwrap_or_default();
    if !text.is_ascii() && std::str::from_utf8(text).is_err() {
        return Err(wrong("the PLY header is not text".to_owned()));
    }
    let mut reader =
        PlyReader::from_reader(Cursor::new(bytes)).map_err(|e| wrong(format!("not a readable PLY: {e}")))?;
    let header = reader.header().clone();
    let count = check_header(&header, (bytes.len() - end) as u64).map_err(wrong)?;
    let has = |names: &[&str]| {
        header.get_element("vertex").is_some_and(|vertex| names.iter().any(|name| vertex.has_property(name)))
    };
    let normals = has(&["nx", "normal_x"]);
    let (colours, instances) =
        (has(&["red", "diffuse_red", "r"]), has(&["instance", "label", "object_id", "scalar_instance"]));
    // Colours as floats are shares of 1.
    let share = header.get_element("vertex").is_some_and(|vertex| {
        ["red", "diffuse_red", "r"].iter().filter_map(|name| vertex.get_property(name)).any(|property| {
            matches!(property.property_type, PropertyType::Scalar(ScalarType::F32 | ScalarType::F64))
        })
    });
    let vertices: Vec<Vertex> =
        reader.next_element().map_err(|e| wrong(format!("the PLY is cut off or damaged: {e}")))?;
    if vertices.len() != count {
        return Err(wrong(format!("{} points of {count}", vertices.len())));
    }
    let mut cloud = ColouredCloud::default();
    for (at, vertex) in vertices.iter().enumerate() {
        let position = [vertex.x, vertex.y, vertex.z].map(|x| x as f32);
        if position.iter().any(|x| !x.is_finite()) {
            return Err(wrong(format!("point {at} is not finite")));
        }
        cloud.positions.push(position);
        if normals {
            let normal = [vertex.nx, vertex.ny, vertex.nz];
            cloud.normals.push(if normal.iter().all(|x| x.is_finite()) { normal } else { [0.0; 3] });
        }
        let level = |value: f32| (if share { value * 255.0 } else { value }).round() as u8;
        cloud.colours.push(if colours {
            [vertex.red, vertex.green, vertex.blue].map(level)
        } else {
            [160; 3]
        });
        if instances {
            cloud.instances.push(vertex.instance as u16);
        }
    }
    Ok(cloud)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The number of vertices, which come first, if the bytes after the header can hold that many.
fn check_header(header: &PlyHeader, bytes: u64) -> Result<usize, String> {
    let Some(vertex) = header.elem_defs.first().filter(|element| element.name == "vertex") else {
        return Err("a PLY whose first element is not 'vertex'".to_owned());
    };
    for name in ["x", "y", "z"] {
        if !vertex.has_property(name) {
            return Err(format!("a PLY whose vertices have no '{name}'"));
        }
    }
    let mut names: Vec<&str> = vertex.properties.iter().map(|property| property.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("a PLY whose vertices have one property twice".to_owned());
    }
    let mut row = 0u64;
    for property in &vertex.properties {
        let PropertyType::Scalar(scalar) = property.property_type else {
            return Err(format!("a PLY whose vertices have a list '{}'", property.name));
        };
        row += match (header.format, scalar) {
            // One digit and a space.
            (PlyFormat::Ascii, _) => 2,
            (_, ScalarType::I8 | ScalarType::U8) => 1,
            (_, ScalarType::I16 | ScalarType::U16) => 2,
            (_, ScalarType::I32 | ScalarType::U32 | ScalarType::F32) => 4,
            (_, ScalarType::F64) => 8,
        };
    }
    let count = vertex.count;
    if count > MAX_POINTS {
        return Err(format!("{count} points, more than the {MAX_POINTS} that are allowed"));
    }
    if row * count as u64 > bytes {
        return Err(format!("the PLY is cut off: {count} points in {bytes} bytes"));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(count: usize) -> Vec<PlyPoint> {
        (0..count)
            .map(|at| PlyPoint {
                position: [at as f32 * 0.1, -1.5, 1e-3 * at as f32],
                normal: Some([0.0, 0.6, 0.8]),
                colour: [at as u8, 200, 3],
                instance: (at % 700) as u16,
            })
            .collect()
    }

    #[test]
    fn written_clouds_read_back() {
        for normals in [true, false] {
            let mut points = points(40_000);
            if !normals {
                points.iter_mut().for_each(|point| point.normal = None);
            }
            let mut file = Vec::new();
            write_ply(&mut file, &points).unwrap();
            let cloud = read_ply(&file, "a.ply").unwrap();
            assert_eq!(cloud_points(&cloud).unwrap(), points);
        }
        let mut empty = Vec::new();
        write_ply(&mut empty, &[]).unwrap();
        assert!(read_ply(&empty, "a.ply").unwrap().is_empty());
    }

    #[test]
    fn plys_of_others() {
        let text = "ply\nformat ascii 1.0\ncomment by hand\nelement vertex 2\nproperty double x\nproperty double y\nproperty double z\n\
                    property float quality\nproperty float red\nproperty float green\nproperty float blue\nelement face 1\n\
                    property list uchar int vertex_indices\nend_header\n0 0.5 1 9 1 0 0.5\n1 2 3 9 0 1 0\n3 0 1 1\n";
        let cloud = read_ply(text.as_bytes(), "b.ply").unwrap();
        assert_eq!(cloud.positions, [[0.0, 0.5, 1.0], [1.0, 2.0, 3.0]]);
        assert_eq!(cloud.colours, [[255, 0, 128], [0, 255, 0]]);
        assert!(cloud.normals.is_empty() && cloud.instances.is_empty());
        let big = "ply\nformat binary_big_endian 1.0\nelement vertex 1\nproperty float z\nproperty float y\nproperty float x\n\
                   property uchar diffuse_red\nproperty uchar diffuse_green\nproperty uchar diffuse_blue\nend_header\n";
        let mut big = big.as_bytes().to_vec();
        for z in [3.0f32, 2.0, 1.0] {
            big.extend(z.to_be_bytes());
        }
        big.extend([7, 8, 9]);
        let cloud = read_ply(&big, "c.ply").unwrap();
        assert_eq!((cloud.positions[0], cloud.colours[0]), ([1.0, 2.0, 3.0], [7, 8, 9]));
    }

    #[test]
    fn broken_plys_are_refused_with_a_reason() {
        let mut good = Vec::new();
        write_ply(&mut good, &points(3)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let head = text(&good[..find(&good, b"end_header").unwrap()]);
        let edit = |from: &str, to: &str| format!("{}end_header\n", head.replace(from, to)).into_bytes();
        let mut nan = good.clone();
        let at = find(&nan, b"end_header").unwrap() + 11;
        nan[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (Vec::new(), "not a PLY"),
            (b"solid cube".to_vec(), "not a PLY"),
            (b"ply\nformat ascii 1.0\n".to_vec(), "no end"),
            (good[..good.len() - 1].to_vec(), "cut off"),
            (edit("vertex 3", "vertex 18446744073709551615"), "more than the 100000000"),
            (edit("vertex 3", "vertex 99999999"), "cut off: 99999999 points"),
            (edit("vertex 3", "vertex -1"), "Invalid element count"),
            (edit("float x", "float w"), "no 'x'"),
            (edit("float x", "float y"), "no 'x'"),
            (edit("uchar red", "list uchar int red"), "a list 'red'"),
            (edit("element vertex", "element camera"), "not 'vertex'"),
            (edit("format binary_little_endian", "format ebcdic"), "Unknown format"),
            (nan, "point 0 is not finite"),
        ];
        for (bytes, phrase) in cases {
            let message = read_ply(&bytes, "x.ply").unwrap_err().to_string();
            assert!(message.starts_with("x.ply: ") && message.contains(phrase), "{phrase}: {message}");
        }
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(at in 0usize..400, byte in any::<u8>(), cut in 0usize..500) {
            let mut file = Vec::new();
            write_ply(&mut file, &points(4)).unwrap();
            let at = at % file.len();
            file[at] = byte;
            file.truncate(cut.max(1));
            let _ = read_ply(&file, "x.ply");
        }
    }
}
