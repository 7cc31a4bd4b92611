//! A look at the markers of a JPEG before it is decoded.
//!
//! The decoder of the `image` crate fills what is missing from a JPEG with grey and says nothing. A benchmark must not be answered from half a
//! picture, so the markers are walked here to see whether the picture is complete.

/// What the markers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Markers {
    /// The end-of-image marker was reached after a scan.
    pub(super) complete: bool,
    /// A progressive frame, which is decoded through coefficients of two bytes each.
    pub(super) progressive: bool,
    /// Colour components of the frame.
    pub(super) components: u8,
    /// There is an Adobe segment.
    pub(super) adobe: bool,
}

/// Walks the markers of the first picture in `bytes`, which start with the JPEG signature.
///
/// Source of the marker codes: ITU-T T.81, table B.1.
pub(super) fn markers(bytes: &[u8]) -> Markers {
    let mut found = Markers::default();
    let mut scanned = false;
    let mut at = 2;
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            // Stuffed zero, TEM, RSTn, SOI: no length follows.
            0x00 | 0x01 | 0xD0..=0xD8 => {}
            0xD9 => {
                found.complete = scanned;
                return found;
            }
            _ => {
                let Some(&[high, low]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) else {
                    return found;
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let segment = bytes.get(at + 2..at + length.max(2)).unwrap_or_default();
                at += length.max(2);
                match marker {
                    0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                        found.progressive = matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE);
                        // Precision (1 byte), height (2), width (2), then the components.
                        found.components = segment.get(5).copied().unwrap_or_default();
                    }
                    0xEE => found.adobe |= segment.starts_with(b"Adobe"),
                    0xDA => scanned = true,
                    _ => {}
                }
            }
        }
    }
    found
}

/// The code of the next marker from `at` on, which is moved behind it. Entropy-coded data is passed over: there a 0xFF is followed by 0x00 or a restart.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    let rest = bytes.get(*at..)?;
    let start = rest.iter().position(|&byte| byte == 0xFF)?;
    // Any number of 0xFF may fill the space before the code.
    let fill = rest.get(start..)?.iter().position(|&byte| byte != 0xFF)?;
    *at += start + fill + 1;
    rest.get(start + fill).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_cut_and_embedded() {
        let frame = [0xFF, 0xC2, 0, 8, 8, 0, 1, 0, 1, 4];
        let scan = [0xFF, 0xDA, 0, 2, 0x12, 0xFF, 0x00, 0x34, 0xFF, 0xD0, 0x56];
        // A thumbnail inside a segment: its end marker is not the end of the picture.
        let app1 = [0xFF, 0xE1, 0, 6, 0xFF, 0xDA, 0xFF, 0xD9];
        let adobe = *b"\xFF\xEE\x00\x0EAdobe\0\0\0\0\0\0\0";
        let mut file = vec![0xFF, 0xD8];
        for part in [&app1[..], &adobe, &frame, &scan] {
            file.extend_from_slice(part);
        }
        let cut = markers(&file);
        assert_eq!(cut, Markers { complete: false, progressive: true, components: 4, adobe: true });
        file.extend([0xFF, 0xFF, 0xD9]);
        assert!(markers(&file).complete);
        for end in 0..file.len() {
            assert!(!markers(&file[..end]).complete, "{end}");
        }
    }

    #[test]
    fn hostile_lengths_end_the_walk() {
        assert!(!markers(&[0xFF, 0xD8, 0xFF, 0xE1, 0xFF, 0xFF, 0xFF, 0xD9]).complete);
        assert!(!markers(&[0xFF, 0xD8, 0xFF, 0xE1, 0, 0, 0xFF, 0xD9]).complete);
        assert!(!markers(&[]).complete);
    }
}
