//! Calibrations as text: intrinsics, poses, trajectories.
//!
//! Sources: ScanNet (`intrinsic_depth.txt`, `pose/*.txt`: 4×4 matrices, camera to world), SUN RGB-D (`intrinsics.txt`: 3×3 in one line or
//! three; `extrinsics/*.txt`: 3×4, the rotation that levels the camera), Redwood and Open3D (`trajectory.log`), TUM RGB-D (lists of
//! time stamps and files).

use glam::{DMat4, DVec3, DVec4};
use plumb_geometry::{Camera, Gravity, GravitySource, PixelCentre};

use super::raster::wrong;
use crate::{Result, SceneError};

/// Entries read of one list: a TUM sequence has a few thousand.
const MAX_LINES: usize = 1_000_000;

/// The numbers of a text that is nothing but numbers.
fn numbers(text: &str, name: &str, most: usize) -> Result<Vec<f64>> {
    let mut found = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()) {
        match word.parse::<f64>() {
            Ok(number) if number.is_finite() => found.push(number),
            _ => {
                return wrong(
                    name,
                    format!("'{}' is not a finite number", word.chars().take(20).collect::<String>()),
                );
            }
        }
        if found.len() > most {
            return wrong(name, format!("more than the {most} numbers that are expected"));
        }
    }
    Ok(found)
}

/// A camera from `intrinsic_*.txt` (4×4), `intrinsics.txt` (3×3) or `fx fy cx cy`, for pictures of this size. The principal point counts
/// from the centre of the first pixel, as in all of these.
///
/// # Errors
/// [`SceneError::Format`] for anything else than 4, 9 or 16 numbers and for matrices that are no camera's; [`SceneError::Geometry`] for absurd values.
pub fn intrinsics(text: &str, name: &str, width: u32, height: u32) -> Result<Camera> {
    let found = numbers(text, name, 16)?;
    let (values, rest) = match *found.as_slice() {
        [fx, fy, cx, cy] => ([fx, fy, cx, cy], [0.0; 3]),
        [fx, a, cx, b, fy, cy, c, _, _] => ([fx, fy, cx, cy], [a, b, c]),
        [fx, a, cx, _, b, fy, cy, _, c, _, _, _, _, _, _, _] => ([fx, fy, cx, cy], [a, b, c]),
        _ => {
            return wrong(
                name,
                format!("{} numbers, expected a matrix of 9 or 16, or fx fy cx cy", found.len()),
            );
        }
    };
    // Some ScanNet files hold a skew of a few thousandths.
    if rest.iter().any(|x| x.abs() > 0.01 * values[0].abs()) {
        return wrong(name, "a matrix that is not a camera's: numbers where zeros belong");
    }
    Camera::new(width, height, values, PixelCentre::Integer)
        .map_err(|error| SceneError::Format { path: name.to_owned(), detail: error.to_string() })
}

/// A pose, camera to world, from 16 numbers by row.
///
/// # Errors
/// [`SceneError::Format`] unless there are 16 finite numbers that are a rotation and a shift. ScanNet marks frames that were lost with
/// `-inf`: these are an error too.
pub fn pose(text: &str, name: &str) -> Result<DMat4> {
    rigid(&numbers(text, name, 16)?, name)
}

fn rigid(found: &[f64], name: &str) -> Result<DMat4> {
    let Ok(rows) = <[f64; 16]>::try_from(found) else {
        return wrong(name, format!("{} numbers, expected a 4x4 matrix", found.len()));
    };
    let matrix = DMat4::from_cols_array(&rows).transpose();
    let [x, y, z] = [matrix.x_axis, matrix.y_axis, matrix.z_axis].map(DVec4::truncate);
    let lengths = [x, y, z].iter().all(|axis| (axis.length() - 1.0).abs() < 1e-2);
    let angles = [x.dot(y), y.dot(z), z.dot(x)].iter().all(|cosine| cosine.abs() < 1e-2);
    if !(lengths && angles && x.cross(y).dot(z) > 0.0 && (matrix.row(3) - DVec4::W).length() < 1e-6) {
        return wrong(name, "a matrix that is not a rotation and a shift");
    }
    Ok(matrix)
}

/// The poses (camera to world) of a Redwood `trajectory.log`, by frame number.
///
/// # Errors
/// [`SceneError::Format`] unless the file is made of groups of five lines: three numbers, of which the first is the frame, and a 4×4 pose.
pub fn trajectory(text: &str, name: &str) -> Result<Vec<(u32, DMat4)>> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(MAX_LINES + 1).collect();
    if lines.is_empty() || lines.len() > MAX_LINES {
        return wrong(name, format!("{} lines, expected 5 for each pose", lines.len()));
    }
    let mut poses = Vec::with_capacity(lines.len() / 5);
    for (at, group) in lines.chunks(5).enumerate() {
        let [head, rows @ ..] = group else { continue };
        let frame = head.split_whitespace().next().and_then(|word| word.parse().ok());
        let (Some(frame), 4) = (frame, rows.len()) else {
            return wrong(name, format!("pose {at} is not a frame number and a 4x4 matrix"));
        };
        let mut entries = Vec::with_capacity(16);
        for row in rows {
            entries.extend(numbers(row, name, 4)?);
        }
        poses.push((frame, rigid(&entries, &format!("{name}, pose {at}"))?));
    }
    Ok(poses)
}

/// Gravity from SUN RGB-D's `extrinsics/*.txt`, whose rotation takes the camera (x right, y down, z forward) to a level one with the same names
/// of axes. (`Rtilt` of the toolbox is this rotation in x right, y forward, z up: `readframeSUNRGBD.m`.)
///
/// # Errors
/// [`SceneError::Format`] unless there are 12 (or 9) numbers with a rotation.
pub fn sun_gravity(text: &str, name: &str) -> Result<Gravity> {
    let found = numbers(text, name, 12)?;
    let rows = match *found.as_slice() {
        [a, b, c, _, d, e, f, _, g, h, i, _] | [a, b, c, d, e, f, g, h, i] => {
            [[a, b, c], [d, e, f], [g, h, i]]
        }
        _ => return wrong(name, format!("{} numbers, expected a matrix of 3x4", found.len())),
    };
    let [x, y, z] = rows.map(DVec3::from_array);
    let orthonormal = [x, y, z].iter().all(|row| (row.length() - 1.0).abs() < 1e-2)
        && [x.dot(y), y.dot(z), z.dot(x)].iter().all(|cosine| cosine.abs() < 1e-2)
        && x.cross(y).dot(z) > 0.0;
    if !orthonormal {
        return wrong(name, "a matrix that is not a rotation");
    }
    // The row of the level camera's y axis is that axis, which points down, in the tilted camera.
    let down = y.normalize();
    Ok(Gravity::Known { direction: down.to_array(), sigma: 1.0, source: GravitySource::Measured })
}

/// A TUM list (`rgb.txt`, `depth.txt`): time stamps in seconds and file names, sorted by time.
///
/// # Errors
/// [`SceneError::Format`] for lines that are not a time and a name.
pub fn tum_list(text: &str, name: &str) -> Result<Vec<(f64, String)>> {
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let time = words.next().and_then(|word| word.parse::<f64>().ok()).filter(|time| time.is_finite());
        let (Some(time), Some(file)) = (time, words.next()) else {
            return wrong(name, format!("line {} is not a time stamp and a file name", number + 1));
        };
        if entries.len() >= MAX_LINES {
            return wrong(name, format!("more than {MAX_LINES} entries"));
        }
        entries.push((time, file.to_owned()));
    }
    entries.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(entries)
}

/// Pairs entries of two lists that are at most `apart` seconds from each other: nearest first, each entry once; sorted by the first list.
#[must_use]
pub fn associate(first: &[(f64, String)], second: &[(f64, String)], apart: f64) -> Vec<(usize, usize)> {
    let mut candidates = Vec::new();
    let mut from = 0;
    for (a, (time, _)) in first.iter().enumerate() {
        while second.get(from).is_some_and(|(other, _)| *other < time - apart) {
            from += 1;
        }
        let near = second.iter().enumerate().skip(from).take_while(|(_, (other, _))| *other <= time + apart);
        // Recordings have a few neighbours within 20 ms; a list with thousands at one instant is no recording.
        candidates.extend(near.take(64).map(|(b, (other, _))| ((time - other).abs(), a, b)));
    }
    candidates.sort_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)).then(x.2.cmp(&y.2)));
    let (mut used_a, mut used_b) = (vec![false; first.len()], vec![false; second.len()]);
    let mut pairs = Vec::new();
    for (_, a, b) in candidates {
        if !used_a[a] && !used_b[b] {
            (used_a[a], used_b[b]) = (true, true);
            pairs.push((a, b));
        }
    }
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "k.txt";

    #[test]
    fn matrices_of_each_data_set() {
        let want = Camera::new(640, 480, [577.87, 578.2, 319.5, 239.5], PixelCentre::Integer).unwrap();
        for text in [
            "577.87 0 319.5 0\n0 578.2 239.5 0\n0 0 1 0\n0 0 0 1\n",
            "577.87 0 319.5 0 578.2 239.5 0 0 1",
            "577.87,578.2,319.5,239.5",
        ] {
            assert_eq!(intrinsics(text, NAME, 640, 480).unwrap(), want);
        }
        for (text, phrase) in [
            ("1 2 3", "3 numbers, expected"),
            ("a b", "'a' is not a finite number"),
            ("nan 0 1 0 1 1 0 0 1", "'nan' is not"),
            ("577 99 319 0 578 239 0 0 1", "zeros belong"),
            ("0 0 319.5 0 578.2 239.5 0 0 1", "camera fx is 0"),
            (&"1 ".repeat(1000), "more than the 16"),
        ] {
            let message = intrinsics(text, NAME, 640, 480).unwrap_err().to_string();
            assert!(message.starts_with("k.txt: ") && message.contains(phrase), "{message}");
        }
    }

    #[test]
    fn poses_must_be_rigid() {
        let good = "0 -1 0 2\n1 0 0 3\n0 0 1 4\n0 0 0 1\n";
        let matrix = pose(good, NAME).unwrap();
        assert_eq!(matrix.transform_point3(DVec3::X), DVec3::new(2.0, 4.0, 4.0));
        for bad in ["-inf -inf", &good.replace("-1", "1"), &good.replace("-1", "-2"), "1 2 3"] {
            assert!(pose(bad, NAME).is_err());
        }
        let log = format!("0 0 1\n{good}7 7 8\n{good}");
        let poses = trajectory(&log, NAME).unwrap();
        assert_eq!(poses.iter().map(|(frame, _)| *frame).collect::<Vec<_>>(), [0, 7]);
        assert!(trajectory("", NAME).is_err());
        assert!(trajectory(&log[..log.len() - 9], NAME).is_err());
    }

    #[test]
    fn sun_rotation_says_where_down_is() {
        // Level camera: gravity along y of the picture.
        let level = sun_gravity("1 0 0 0\n0 1 0 0\n0 0 1 0\n", NAME).unwrap();
        assert_eq!(level.up(), Some(DVec3::NEG_Y));
        // A camera that looks 30° down: up leans away from the viewing direction, z forward < 0.
        let (s, c) = 30f64.to_radians().sin_cos();
        let tilted = sun_gravity(&format!("1 0 0 0 {c} {s} 0 {} {c}", -s), NAME).unwrap().up().unwrap();
        assert!((tilted - DVec3::new(0.0, -c, -s)).length() < 1e-12, "{tilted}");
        assert!(sun_gravity("1 0 0 0 2 0 0 0 1", NAME).is_err());
    }

    #[test]
    fn time_stamps_are_paired_nearest_first() {
        let rgb = tum_list("# color\n1.000 a.png\n1.033 b.png\n1.066 c.png\n2.0 d.png\n", NAME).unwrap();
        let depth = tum_list("1.030 x.png\n1.015 w.png\n2.021 y.png\n", NAME).unwrap();
        let pairs = associate(&rgb, &depth, 0.02);
        let names: Vec<_> = pairs.iter().map(|&(a, b)| (rgb[a].1.as_str(), depth[b].1.as_str())).collect();
        assert_eq!(names, [("a.png", "w.png"), ("b.png", "x.png")]);
        assert!(tum_list("soon a.png", NAME).is_err());
    }
}
