//! The real frames, folders of each layout, and colour with depth.

use std::path::{Path, PathBuf};

use plumb_image::RgbImage;

use super::*;

#[test]
fn colour_is_brought_to_the_depth() {
    let depth = plumb_geometry::DepthMap::new(640, 480, vec![1.0; 640 * 480]).unwrap();
    // ScanNet.
    let colour = RgbImage::filled(1296, 968, [1, 2, 3]).unwrap();
    assert_eq!(match_colour(colour, &depth, "c.jpg").unwrap().size(), (640, 480));
    let wide = RgbImage::filled(1280, 720, [1, 2, 3]).unwrap();
    let message = match_colour(wide, &depth, "c.jpg").unwrap_err().to_string();
    assert!(
        message.contains("c.jpg") && message.contains("1280x720") && message.contains("640x480"),
        "{message}"
    );
}

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("PLUMBLINE_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = folder.join("rgbd");
    if !folder.is_dir() {
        println!("skipped: no test data (PLUMBLINE_TEST_DATA)");
        return None;
    }
    Some(folder)
}

#[test]
fn real_frames() {
    let Some(folder) = data() else { return };
    for (set, format, count, range) in [
        ("tum", DepthFormat::Tum, 1, 0.8..3.0),
        ("nyu", DepthFormat::Nyu, 1, 1.0..6.0),
        ("redwood", DepthFormat::Redwood, 2, 0.8..4.0),
    ] {
        let frames = find_frames(&folder.join(set), format).unwrap();
        assert_eq!(frames.len(), count, "{set}");
        for frame in frames {
            let file = read_depth(&frame.depth, &DepthOptions { format: Some(format), ..Default::default() })
                .unwrap();
            let colour = plumb_image::read(&frame.color, &plumb_image::Limits::default()).unwrap();
            assert_eq!((colour.size(), file.depth.width(), file.depth.height()), ((640, 480), 640, 480));
            let mut values: Vec<f32> = file.depth.values().iter().copied().filter(|&z| z > 0.0).collect();
            values.sort_unstable_by(f32::total_cmp);
            let median = values[values.len() / 2];
            println!("{set}: median {median:.3} m, measured {:.1} %", 100.0 * file.measured);
            assert!(range.contains(&median) && file.measured > 0.5, "{set} {median} {}", file.measured);
            assert!(format.camera(640, 480).is_some());
            assert_eq!(frame.pose.is_some(), set == "redwood");
        }
    }
    let log = folder.join("redwood/trajectory.log");
    let poses = calibration::trajectory(&std::fs::read_to_string(&log).unwrap(), "trajectory.log").unwrap();
    assert!(poses.len() >= 2 && poses[0].0 == 0 && poses[1].0 == 1);
    // Neighbouring frames are centimetres apart.
    let step = (poses[1].1.w_axis - poses[0].1.w_axis).length();
    assert!((0.001..0.2).contains(&step), "{step}");
}

#[test]
fn folders_of_each_layout() {
    let folder = tempfile::tempdir().unwrap();
    let touch = |path: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "1.0 rgb/1.png\n2.0 rgb/2.png\n").unwrap();
    };
    for at in [2, 10, 9] {
        touch(&format!("scannet/color/{at}.jpg"));
        touch(&format!("scannet/depth/{at}.png"));
        touch(&format!("scannet/pose/{at}.txt"));
    }
    touch("scannet/intrinsic/intrinsic_depth.txt");
    touch("scannet/color/11.jpg");
    let frames = find_frames(&folder.path().join("scannet"), DepthFormat::Scannet).unwrap();
    let names: Vec<_> =
        frames.iter().map(|frame| frame.color.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["2.jpg", "9.jpg", "10.jpg"]);
    assert!(frames[2].pose.as_ref().unwrap().ends_with("pose/10.txt"));
    assert!(frames[0].intrinsics.as_ref().unwrap().ends_with("intrinsic/intrinsic_depth.txt"));

    for file in [
        "image/0001.jpg",
        "depth/raw.png",
        "depth_bfx/filled.png",
        "intrinsics.txt",
        "extrinsics/2014.txt",
        "extrinsics/2015.txt",
    ] {
        touch(&format!("sun/{file}"));
    }
    let sun = find_frames(&folder.path().join("sun"), DepthFormat::Sun).unwrap();
    assert!(sun.len() == 1 && sun[0].depth.ends_with("depth_bfx/filled.png"));
    assert!(sun[0].pose.as_ref().unwrap().ends_with("2015.txt"));

    touch("tum/rgb.txt");
    std::fs::write(folder.path().join("tum/depth.txt"), "# d\n2.015 depth/b.png\n1.5 depth/a.png\n").unwrap();
    let tum = find_frames(&folder.path().join("tum"), DepthFormat::Tum).unwrap();
    assert!(tum.len() == 1 && tum[0].color.ends_with("rgb/2.png") && tum[0].depth.ends_with("depth/b.png"));
    std::fs::write(folder.path().join("tum/depth.txt"), "1.0 ../../secret.png\n").unwrap();
    let message = find_frames(&folder.path().join("tum"), DepthFormat::Tum).unwrap_err().to_string();
    assert!(message.contains("not in the folder"), "{message}");

    touch("flat/color.png");
    touch("flat/depth.npy");
    assert_eq!(find_frames(&folder.path().join("flat"), DepthFormat::Plain).unwrap().len(), 1);
    touch("none/readme.txt");
    let message = find_frames(&folder.path().join("none"), DepthFormat::Nyu).unwrap_err().to_string();
    assert!(message.contains("0 colour and 0 depth files"), "{message}");
    assert!(find_frames(&folder.path().join("absent"), DepthFormat::Nyu).is_err());
}

#[test]
fn frames_of_a_matlab_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/scenes/nyu_tiny.mat");
    let frame = read_nyu_mat(&path, 1).unwrap();
    let depth = &frame.depth.0;
    assert_eq!((frame.image.size(), depth.width(), depth.height()), ((16, 12), 16, 12));
    for (x, y) in [(0, 0), (15, 0), (3, 11), (9, 4)] {
        // The formulas of tests/reference/make_nyu_mat.py.
        let want = 1.5 + 0.01 * x as f32 + 0.1 * y as f32;
        assert!((depth.values()[depth.index(x, y)] - want).abs() < 1e-6);
        assert_eq!(frame.image.pixel(x, y), Some([(10 * x + 1) as u8, (20 * y + 1) as u8, (x + y) as u8]));
    }
    let names: Vec<_> =
        frame.instances.labels.iter().map(|l| (l.id, l.name.as_str(), l.plural.as_str())).collect();
    assert_eq!(
        names,
        [
            (1, "wall", "walls"),
            (2, "floor", "floors"),
            (3, "chair", "chairs"),
            (4, "chair", "chairs"),
            (5, "coffee table", "coffee tables"),
            (6, "person", "people"),
        ]
    );
    let id = |x, y| frame.instances.ids()[depth.index(x, y)];
    assert_eq!(
        [id(0, 0), id(15, 0), id(8, 5), id(12, 5), id(2, 6), id(6, 3), id(0, 1)],
        [0, 0, 3, 4, 5, 6, 1]
    );
    assert_eq!(read_nyu_mat(&path, 0).unwrap().instances.labels.len(), 5);
    let message = read_nyu_mat(&path, 3).unwrap_err().to_string();
    assert!(message.contains("no frame 3: there are 3"), "{message}");

    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(&path).unwrap();
    let broken = folder.path().join("b.mat");
    for cut in [0, 100, 600, good.len() / 2] {
        std::fs::write(&broken, &good[..cut]).unwrap();
        let message = read_nyu_mat(&broken, 0).unwrap_err().to_string();
        assert!(message.starts_with(&broken.display().to_string()), "{message}");
    }
    for at in (512..good.len()).step_by(97) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x5A;
        std::fs::write(&broken, &bytes).unwrap();
        let _ = read_nyu_mat(&broken, 1);
    }
    assert!(read_nyu_mat(Path::new("absent.mat"), 0).unwrap_err().to_string().starts_with("absent.mat: "));
}
