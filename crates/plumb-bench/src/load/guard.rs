//! Checks of declared sizes before the Parquet reader believes them.
//!
//! The reader allocates what page headers declare: a dictionary of 2³¹ entries or a page of 2 GiB costs a hostile
//! file a few bytes and the program its life, since a failed allocation aborts. So every page header of a column
//! chunk that will be read is parsed here first (Thrift compact protocol, the three sizes only) and held to limits.

use super::source::Source;
use crate::{BenchError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

/// The most a page of text may unpack to.
pub(super) const MAX_TEXT_PAGE: u64 = 128 << 20;
/// The most a page of images may unpack to. `datasets` writes about a hundred images a page.
pub(super) const MAX_IMAGE_PAGE: u64 = 512 << 20;
/// The most values (list elements included) of a column chunk.
const MAX_VALUES: u64 = 1 << 22;
const MAX_HEADER: usize = 1 << 20;

/// Encodings by their number in `parquet.thrift`. The two delta encodings of texts are left out: their decoders
/// allocate by a count inside the page that nothing outside can check.
const ENCODINGS: [i64; 7] = [0, 2, 3, 4, 5, 8, 9];

/// Walks the pages of a column chunk.
///
/// # Errors
/// When the chunk leaves the file, a header cannot be read, or a size is past its limit.
pub(super) fn check_chunk(
    source: &Source,
    file: &str,
    column: &ColumnChunkMetaData,
    max_page: u64,
) -> Result<()> {
    let name = column.column_path().string();
    let bad = |why: String| BenchError::parquet(file, format!("column `{name}`: {why}"));
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let range = u64::try_from(start).ok().zip(u64::try_from(column.compressed_size()).ok());
    let (mut at, end) = range
        .and_then(|(start, len)| Some((start, start.checked_add(len)?)))
        .filter(|&(_, end)| end <= source.size())
        .ok_or_else(|| {
            bad(format!("its {} bytes at offset {start} are not inside the file", column.compressed_size()))
        })?;
    let mut values = 0_u64;
    let mut buffer = Vec::new();
    while at < end {
        let header = read_header(source, at, end, &mut buffer)
            .map_err(|e| BenchError::io(file, e))?
            .ok_or_else(|| bad(format!("no page header can be read at offset {at}")))?;
        let room = end.saturating_sub(at).saturating_sub(header.len as u64);
        let body = u64::try_from(header.compressed).ok().filter(|&n| n <= room);
        let unpacked = u64::try_from(header.uncompressed).ok();
        let count = u64::try_from(header.values.unwrap_or(0)).ok();
        let (Some(body), Some(unpacked), Some(count)) = (body, unpacked, count) else {
            return Err(bad(format!("the page at offset {at} declares impossible sizes")));
        };
        if unpacked > max_page {
            return Err(BenchError::too_large(
                file,
                format!("a page of `{name}`, in bytes,"),
                unpacked,
                max_page,
            ));
        }
        // A dictionary stores at least a bit per entry, a text four bytes; one byte is a safe floor for both.
        if header.is_dictionary && count > unpacked {
            return Err(bad(format!("a dictionary of {unpacked} bytes declares {count} entries")));
        }
        if let Some(encoding) = header.encoding.filter(|e| !ENCODINGS.contains(e)) {
            return Err(bad(format!(
                "page encoding {encoding} is not supported; write the file with plain or dictionary encoding"
            )));
        }
        values += if header.is_dictionary { 0 } else { count };
        if values > MAX_VALUES {
            return Err(BenchError::too_large(file, format!("the values of `{name}`"), values, MAX_VALUES));
        }
        at = at.saturating_add(header.len as u64).saturating_add(body);
    }
    Ok(())
}

/// What a Parquet page declares of itself (parquet-format, `PageHeader`), before anything of it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// Bytes of the header itself.
    pub len: usize,
    /// Bytes of the page.
    pub uncompressed: i64,
    /// Bytes of the page in the file.
    pub compressed: i64,
    pub values: Option<i64>,
    /// As numbered in parquet-format.
    pub encoding: Option<i64>,
    pub is_dictionary: bool,
}

fn read_header(
    source: &Source,
    at: u64,
    end: u64,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<PageHeader>> {
    // Headers are tens of bytes; only one with long statistics needs the second try.
    for size in [512, MAX_HEADER] {
        let size = size.min(usize::try_from(end - at).unwrap_or(MAX_HEADER));
        buffer.resize(size, 0);
        let got = source.read_at(at, buffer)?;
        if let Some(header) = buffer.get(..got).and_then(PageHeader::parse) {
            return Ok(Some(header));
        }
    }
    Ok(None)
}

impl PageHeader {
    /// Reads the header at the start of `bytes`; `None` where there is none, or its end is missing.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut p = Compact { bytes, at: 0 };
        let (mut uncompressed, mut compressed, mut values, mut encoding) = (None, None, None, None);
        let mut is_dictionary = false;
        let mut last = 0;
        while let Some((field, kind)) = p.field(last)? {
            last = field;
            match (field, kind) {
                (2, I32) => uncompressed = Some(p.zigzag()?),
                (3, I32) => compressed = Some(p.zigzag()?),
                // data page, dictionary page, data page v2: the first field of each is the number of values.
                (5 | 7 | 8, STRUCT) => {
                    is_dictionary |= field == 7;
                    let mut inner = 0;
                    while let Some((name, kind)) = p.field(inner)? {
                        inner = name;
                        match (field, name, kind) {
                            (_, 1, I32) => values = Some(p.zigzag()?),
                            (5 | 7, 2, I32) | (8, 4, I32) => encoding = Some(p.zigzag()?),
                            _ => p.skip(kind, 0)?,
                        }
                    }
                }
                _ => p.skip(kind, 0)?,
            }
        }
        Some(Self {
            len: p.at,
            uncompressed: uncompressed?,
            compressed: compressed?,
            values,
            encoding,
            is_dictionary,
        })
    }
}

const I32: u8 = 5;
const STRUCT: u8 = 12;

/// As much of Thrift's compact protocol as skipping through a struct takes. `None` is the end of the bytes.
struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Compact<'_> {
    fn byte(&mut self) -> Option<u8> {
        let b = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(b)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            value |= u64::from(b & 0x7f) << shift;
            if b & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let n = self.varint()?;
        Some(((n >> 1) as i64) ^ -((n & 1) as i64))
    }

    /// The next field's number and type; `Some(None)` at the end of the struct.
    fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let b = self.byte()?;
        if b & 0x0f == 0 {
            return Some(None);
        }
        let number = match b >> 4 {
            0 => self.zigzag()?,
            delta => last.checked_add(i64::from(delta))?,
        };
        Some(Some((number, b & 0x0f)))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth > 16 {
            return None;
        }
        match kind {
            1 | 2 => {} // truth values live in the field header
            3 => self.at = self.at.checked_add(1)?,
            4..=6 => drop(self.varint()?),
            7 => self.at = self.at.checked_add(8)?,
            8 => {
                let n = usize::try_from(self.varint()?).ok()?;
                self.at = self.at.checked_add(n)?;
            }
            9 | 10 => {
                let b = self.byte()?;
                let n = if b >> 4 == 15 { self.varint()? } else { u64::from(b >> 4) };
                for _ in 0..n {
                    // In a list a truth value takes a byte.
                    let element = if matches!(b & 0x0f, 1 | 2) { 3 } else { b & 0x0f };
                    self.skip(element, depth + 1)?;
                    if self.at > self.bytes.len() {
                        return None;
                    }
                }
            }
            STRUCT => {
                let mut last = 0;
                while let Some((number, kind)) = self.field(last)? {
                    last = number;
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return None, // maps do not occur in page headers
        }
        (self.at <= self.bytes.len()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_by_hand() {
        // type = 0, uncompressed = 100, compressed = 50, data page {values = 7, encoding = 0}, stop.
        let bytes = [0x15, 0x00, 0x15, 0xc8, 0x01, 0x15, 0x64, 0x2c, 0x15, 0x0e, 0x15, 0x00, 0x00, 0x00];
        let h = PageHeader::parse(&bytes).unwrap();
        assert_eq!((h.len, h.uncompressed, h.compressed, h.values), (bytes.len(), 100, 50, Some(7)));
        assert_eq!((h.encoding, h.is_dictionary), (Some(0), false));
        for cut in 0..bytes.len() {
            assert!(PageHeader::parse(&bytes[..cut]).is_none());
        }
    }

    fn zigzag(n: i64) -> Vec<u8> {
        let mut n = ((n << 1) ^ (n >> 63)) as u64;
        let mut out = Vec::new();
        while n >= 0x80 {
            out.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
        out
    }

    /// A page header that declares these sizes; `inner` is the Thrift field of the page kind.
    fn header(inner: u8, uncompressed: i64, compressed: i64, values: i64, encoding: i64) -> Vec<u8> {
        let mut out = vec![0x15, 0x00, 0x15];
        out.extend(zigzag(uncompressed));
        out.push(0x15);
        out.extend(zigzag(compressed));
        out.push(((inner - 3) << 4) | STRUCT);
        for field in [values, encoding] {
            out.push(0x15);
            out.extend(zigzag(field));
        }
        out.extend([0, 0]);
        out
    }

    fn check(bytes: Vec<u8>, len: i64, offset: i64) -> Result<()> {
        use parquet::schema::{parser::parse_message_type, types::SchemaDescriptor};
        let schema = parse_message_type("message m { optional binary c; }").unwrap();
        let schema = SchemaDescriptor::new(std::sync::Arc::new(schema));
        let column = ColumnChunkMetaData::builder(schema.column(0))
            .set_data_page_offset(offset)
            .set_total_compressed_size(len)
            .build()
            .unwrap();
        check_chunk(&Source::Memory(bytes.into()), "f.parquet", &column, 1000)
    }

    #[test]
    fn declared_sizes_are_held_to_limits() {
        let with = |h: Vec<u8>, body: usize| {
            let mut bytes = h;
            bytes.extend(vec![0; body]);
            let len = bytes.len() as i64;
            check(bytes, len, 0).err().map(|e| e.to_string())
        };
        assert_eq!(with(header(5, 100, 50, 7, 0), 50), None);
        assert_eq!(with(header(7, 100, 50, 7, 2), 50), None);
        for (h, wanted) in [
            (header(5, 2_000_000_000, 50, 7, 0), "more than the limit of 1000"),
            (header(5, -1, 50, 7, 0), "impossible sizes"),
            (header(5, 100, 51, 7, 0), "impossible sizes"),
            (header(5, 100, -50, 7, 0), "impossible sizes"),
            (header(5, 100, 50, -7, 0), "impossible sizes"),
            (header(5, 100, 50, 2_000_000_000, 0), "the values of `c`"),
            (header(7, 100, 50, 2_000_000_000, 2), "declares 2000000000 entries"),
            (header(5, 100, 50, 7, 6), "page encoding 6 is not supported"),
        ] {
            let said = with(h, 50).expect(wanted);
            assert!(said.contains(wanted) && said.contains("f.parquet"), "{said}");
        }
        assert!(with(vec![0xff; 20], 0).unwrap().contains("no page header"));
        for (len, offset) in [(100, 0), (10, 60), (-1, 0), (10, -1), (i64::MAX, i64::MAX)] {
            assert!(check(vec![0; 64], len, offset).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_header_parser(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(h) = PageHeader::parse(&bytes) {
                prop_assert!(h.len <= bytes.len());
            }
        }
    }
}
