//! How sizes of files and downloads are said: in powers of ten, as shops and systems say the size of a disk.

/// `1020000000` as `1.02 GB`.
pub(crate) fn size(bytes: u64) -> String {
    let b = bytes as f64;
    match b {
        b if b < 1e3 => format!("{bytes} bytes"),
        b if b < 1e6 => format!("{:.0} kB", b / 1e3),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b if b < 1e11 => format!("{:.2} GB", b / 1e9),
        b => format!("{:.0} GB", b / 1e9),
    }
}

/// Bytes a second.
pub(crate) fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", size(bytes_per_second.max(0.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_that_fits() {
        let said = [0, 999, 1_500, 513_000_000, 1_020_000_000, 345_000_000_000].map(size);
        assert_eq!(said, ["0 bytes", "999 bytes", "2 kB", "513 MB", "1.02 GB", "345 GB"]);
        assert_eq!(rate(2_400_000.0), "2 MB/s");
        assert_eq!(rate(f64::NAN), "0 bytes/s");
    }
}
