//! COCO's run lengths: runs of 0 and 1 in turns, down the columns, the first of 0.
//!
//! Source: `cocodataset/cocoapi:common/maskApi.c` for the packed string: each count but the first two minus the one two before it, in groups
//! of five bits from the lowest, each plus 48 as a character, 32 marking that more groups follow, 16 the sign in the last.

use super::paint::Shape;

/// Counts as they are listed. An error is a sentence.
pub(super) fn from_counts(counts: &[u32], width: u32, height: u32) -> Result<Shape, String> {
    let pixels = u64::from(width) * u64::from(height);
    let (mut at, mut runs) = (0u64, Vec::new());
    for (turn, &count) in counts.iter().enumerate() {
        let next = at + u64::from(count);
        if next > pixels {
            return Err(format!("run lengths of more than the {pixels} pixels of the picture"));
        }
        if turn % 2 == 1 && count > 0 {
            runs.push((at as u32, count));
        }
        at = next;
    }
    if at != pixels {
        return Err(format!("run lengths of {at} pixels, expected {pixels}"));
    }
    Ok(Shape { runs, by_column: true })
}

/// Counts from a packed string.
pub(super) fn unpack(text: &str) -> Result<Vec<u32>, String> {
    let mut counts: Vec<u32> = Vec::new();
    let mut characters = text.bytes();
    while let Some(first) = characters.next() {
        let (mut value, mut shift, mut byte) = (0i64, 0u32, first);
        loop {
            let Some(group) = byte.checked_sub(48).filter(|group| *group < 64) else {
                return Err("a packed run length with a character that none has".to_owned());
            };
            if shift > 35 {
                return Err("a packed run length that is longer than a picture".to_owned());
            }
            value |= i64::from(group & 31) << shift;
            shift += 5;
            if group & 32 == 0 {
                if group & 16 != 0 {
                    value |= -1i64 << shift;
                }
                break;
            }
            byte = match characters.next() {
                Some(byte) => byte,
                None => return Err("a packed run length that is cut off".to_owned()),
            };
        }
        // From the third on counts are differences to the one two before; `maskApi.c` starts at the index 3.
        if counts.len() > 2 {
            value += counts.get(counts.len() - 2).copied().map_or(0, i64::from);
        }
        match u32::try_from(value) {
            Ok(count) => counts.push(count),
            Err(_) => return Err(format!("a run of {value} pixels")),
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The encoder of `maskApi.c`, from its description.
    fn pack(counts: &[u32]) -> String {
        let mut text = String::new();
        for (at, &count) in counts.iter().enumerate() {
            let mut x = i64::from(count);
            if at > 2 {
                x -= i64::from(counts[at - 2]);
            }
            loop {
                let mut group = (x & 31) as u8;
                x >>= 5;
                let more = if group & 16 != 0 { x != -1 } else { x != 0 };
                if more {
                    group |= 32;
                }
                text.push(char::from(group + 48));
                if !more {
                    break;
                }
            }
        }
        text
    }

    fn runs_of(mask: &[bool]) -> Vec<u32> {
        let (mut counts, mut last) = (vec![0u32], false);
        for &pixel in mask {
            if pixel != last {
                counts.push(0);
                last = pixel;
            }
            *counts.last_mut().unwrap() += 1;
        }
        counts
    }

    proptest! {
        #[test]
        fn packing_is_undone(counts in prop::collection::vec(0u32..100_000, 0..40)) {
            prop_assert_eq!(unpack(&pack(&counts)).unwrap(), counts);
        }

        #[test]
        fn masks_survive(width in 1u32..13, height in 1u32..13, seed in prop::collection::vec(any::<bool>(), 144)) {
            let mask = &seed[..(width * height) as usize];
            let shape = from_counts(&unpack(&pack(&runs_of(mask))).unwrap(), width, height).unwrap();
            let mut back = vec![false; mask.len()];
            for (start, length) in shape.runs {
                back[start as usize..(start + length) as usize].fill(true);
            }
            prop_assert_eq!(back, mask);
        }

        #[test]
        fn any_string_is_read_or_refused(text in ".{0,60}") {
            if let Ok(counts) = unpack(&text) {
                let _ = from_counts(&counts, 640, 480);
            }
        }
    }

    #[test]
    fn known_strings() {
        // pycocotools 2.0: encode(np.asfortranarray([[0,1],[1,1]], dtype=uint8))
        assert_eq!(unpack("13").unwrap(), [1, 3]);
        assert!(unpack("o").unwrap_err().contains("cut off"));
        assert!(unpack("!").unwrap_err().contains("character"));
        assert!(unpack("oooooooooooo0").unwrap_err().contains("longer"));
        assert!(from_counts(&[1, 2], 2, 2).unwrap_err().contains("expected 4"));
        assert!(from_counts(&[u32::MAX, u32::MAX], 2, 2).unwrap_err().contains("more than"));
    }
}
