//! Lines and JSON values of a file, one at a time, within limits.

use std::io::{BufRead, ErrorKind};

/// The most bytes of one line, or of one element of an array.
pub const MAX_LINE: usize = 16 << 20;

/// A piece of a file.
pub(super) enum Piece {
    /// The bytes are in the caller's buffer.
    Whole,
    /// Longer than [`MAX_LINE`]; it was skipped.
    TooLong,
    End,
}

/// Reads one line without its end into `line`.
pub(super) fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<Piece> {
    line.clear();
    let (mut any, mut long) = (false, false);
    loop {
        let bytes = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if bytes.is_empty() {
            break;
        }
        any = true;
        let end = bytes.iter().position(|&b| b == b'\n');
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let used = part.len() + usize::from(end.is_some());
        if line.len() + part.len() > MAX_LINE {
            long = true;
            line.clear();
        } else if !long {
            line.extend_from_slice(part);
        }
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(match (any, long) {
        (false, _) => Piece::End,
        (_, true) => Piece::TooLong,
        _ => Piece::Whole,
    })
}

/// Cuts the elements of a JSON array, or values that follow each other, without reading them.
///
/// It counts brackets outside of strings, so an element that is broken inside does not hide the next one.
pub(super) struct Elements {
    /// The line of the next byte, from 1.
    line: u64,
    /// Whether the values are elements of an array. `None` before the first byte.
    array: Option<bool>,
    ended: bool,
}

impl Elements {
    pub(super) fn new() -> Self {
        Self { line: 1, array: None, ended: false }
    }

    /// The line that was reached.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next value into `value` and returns the line it begins in.
    ///
    /// # Errors
    /// `Err(Ok(detail))` when the array itself is broken, `Err(Err(e))` when the input fails.
    pub(super) fn next(
        &mut self,
        input: &mut dyn BufRead,
        value: &mut Vec<u8>,
    ) -> Result<(u64, Piece), Result<String, std::io::Error>> {
        value.clear();
        let (mut depth, mut quoted, mut escaped, mut long) = (0_u32, false, false, false);
        let mut begin = self.line;
        while !self.ended {
            let Some(byte) = next_byte(input).map_err(Err)? else {
                self.ended = true;
                if depth > 0 || quoted || self.array == Some(true) {
                    return Err(Ok("the file ends in the middle".to_owned()));
                }
                break;
            };
            self.line += u64::from(byte == b'\n');
            let started = depth > 0 || quoted || !value.is_empty() || long;
            if !started {
                begin = self.line;
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => continue,
                    // Byte order marks of editors.
                    0xef | 0xbb | 0xbf if self.array.is_none() => continue,
                    b'[' if self.array.is_none() => {
                        self.array = Some(true);
                        continue;
                    }
                    b',' if self.array == Some(true) => continue,
                    b']' if self.array == Some(true) => {
                        self.ended = true;
                        break;
                    }
                    _ => self.array = Some(self.array.unwrap_or(false)),
                }
            }
            let array = self.array == Some(true);
            // A value without brackets ends at the next separator, which is not part of it.
            if depth == 0 && !quoted && started && matches!(byte, b',' | b']' | b'\n') {
                self.ended = array && byte == b']';
                return Ok((begin, if long { Piece::TooLong } else { Piece::Whole }));
            }
            if value.len() >= MAX_LINE {
                long = true;
                value.clear();
            }
            if !long {
                value.push(byte);
            }
            if quoted {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => quoted = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => quoted = true,
                b'{' | b'[' => depth = depth.saturating_add(1),
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Ok((begin, if long { Piece::TooLong } else { Piece::Whole }));
                    }
                }
                _ => {}
            }
        }
        let piece = match (value.is_empty(), long) {
            (_, true) => Piece::TooLong,
            (true, _) => Piece::End,
            _ => Piece::Whole,
        };
        Ok((begin, piece))
    }
}

fn next_byte(input: &mut dyn BufRead) -> std::io::Result<Option<u8>> {
    loop {
        match input.fill_buf() {
            Ok(bytes) => {
                let byte = bytes.first().copied();
                if byte.is_some() {
                    input.consume(1);
                }
                return Ok(byte);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> (Vec<(u64, String)>, Option<String>) {
        let (mut input, mut elements) = (text.as_bytes(), Elements::new());
        let (mut value, mut found) = (Vec::new(), Vec::new());
        loop {
            match elements.next(&mut input, &mut value) {
                Ok((_, Piece::End)) => return (found, None),
                Ok((line, _)) => found.push((line, String::from_utf8_lossy(&value).into_owned())),
                Err(e) => return (found, Some(e.unwrap())),
            }
        }
    }

    #[test]
    fn arrays_and_lines_are_cut_alike() {
        let two = vec![(2, "{\"a\":\"}]\\\"\"}".to_owned()), (3, "[1,{}]".to_owned())];
        assert_eq!(values("[\n{\"a\":\"}]\\\"\"},\n[1,{}]\n]\n"), (two.clone(), None));
        assert_eq!(values("\n{\"a\":\"}]\\\"\"}\n"), (two[..1].to_vec(), None));
        assert_eq!(values("[1, 2]").0, vec![(1, "1".to_owned()), (1, "2".to_owned())]);
        assert_eq!(values("").0, vec![]);
        assert!(values("[{}, {\"a\":").1.is_some_and(|e| e.contains("ends in the middle")));
    }

    #[test]
    fn a_long_line_is_skipped_and_the_next_is_read() {
        let text = format!("{}\r\nshort\r\n\nlast", "x".repeat(MAX_LINE + 1));
        let (mut input, mut line) = (text.as_bytes(), Vec::new());
        assert!(matches!(next_line(&mut input, &mut line), Ok(Piece::TooLong)));
        for wanted in ["short", "", "last"] {
            assert!(matches!(next_line(&mut input, &mut line), Ok(Piece::Whole)));
            assert_eq!(line, wanted.as_bytes());
        }
        assert!(matches!(next_line(&mut input, &mut line), Ok(Piece::End)));
        let text = format!("[\"{}\", 1]", "x".repeat(MAX_LINE + 1));
        let (mut input, mut elements, mut value) = (text.as_bytes(), Elements::new(), Vec::new());
        assert!(matches!(elements.next(&mut input, &mut value), Ok((1, Piece::TooLong))));
        assert!(matches!(elements.next(&mut input, &mut value), Ok((1, Piece::Whole))) && value == b"1");
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (mut input, mut elements, mut value) = (bytes.as_slice(), Elements::new(), Vec::new());
            for _ in 0..=bytes.len() + 1 {
                if !matches!(elements.next(&mut input, &mut value), Ok((_, Piece::Whole | Piece::TooLong))) {
                    return Ok(());
                }
            }
            prop_assert!(false, "more values than bytes");
        }
    }
}
