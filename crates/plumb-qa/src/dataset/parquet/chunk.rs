//! One column chunk in memory, its declared sizes held to limits before the Parquet reader believes them.
//!
//! The reader allocates what page headers declare: a dictionary of 2³¹ entries or a page of 2 GiB costs a hostile file
//! a few bytes and the program its life, since a failed allocation aborts. So the chunk is read first, and each page
//! header in it is walked (Thrift compact protocol, `apache/parquet-format:src/main/thrift/parquet.thrift`).

use std::fs::File;
use std::io::Read;

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use plumb_bench::load::PageHeader;

/// The most a page may unpack to. Most writers make pages of a megabyte; DuckDB puts a whole row group into one.
pub(super) const MAX_PAGE: u64 = 32 << 20;
/// The same for scenes: pyarrow looks at the size of a page only after each thousand values.
pub(super) const MAX_SCENE_PAGE: u64 = 256 << 20;
/// The most values (list elements included) of a chunk: a million rows, as pyarrow groups them, of 64 numbers.
const MAX_VALUES: u64 = 1 << 26;

/// Data page encodings by their number: plain, dictionary (2 and 8), levels (3, 4), delta numbers, byte stream split.
/// The two delta encodings of texts are left out: their decoders allocate by a count inside the page that nothing
/// outside can check.
const ENCODINGS: [i64; 7] = [0, 2, 3, 4, 5, 8, 9];

/// The bytes of a data set.
#[derive(Debug)]
pub(super) enum Source {
    Memory(Bytes),
    Disk(File),
}

impl Source {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk(file) => file.len(),
        }
    }

    /// Exactly these bytes; the range is checked before anything is allocated.
    pub(super) fn read(&self, start: u64, length: u64) -> Result<Bytes, String> {
        let size = self.size();
        let fits = start.checked_add(length).is_some_and(|end| end <= size);
        let (true, Ok(count)) = (fits, usize::try_from(length)) else {
            return Err(format!("{length} bytes at offset {start} are not inside the file of {size} bytes"));
        };
        match self {
            Self::Memory(bytes) => bytes.get_bytes(start, count),
            Self::Disk(file) => file.get_bytes(start, count),
        }
        .map_err(|e| e.to_string())
    }
}

/// A column chunk that answers as if it were the whole file.
pub(super) struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    /// Reads and checks a chunk.
    pub(super) fn read(source: &Source, column: &ColumnChunkMetaData, max_page: u64) -> Result<Self, String> {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let length = column.compressed_size();
        let (Ok(start), Ok(length)) = (u64::try_from(start), u64::try_from(length)) else {
            return Err(format!("it declares {length} bytes at offset {start}"));
        };
        let bytes = source.read(start, length)?;
        check_pages(&bytes, max_page)?;
        Ok(Self { start, bytes })
    }

    fn at(&self, start: u64) -> ParquetResult<usize> {
        start
            .checked_sub(self.start)
            .and_then(|at| usize::try_from(at).ok())
            .filter(|&at| at <= self.bytes.len())
            .ok_or_else(|| ParquetError::EOF(format!("offset {start} is outside of the column")))
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Chunk {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(self.bytes.slice(self.at(start)?..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let at = self.at(start)?;
        match at.checked_add(length).filter(|&end| end <= self.bytes.len()) {
            Some(end) => Ok(self.bytes.slice(at..end)),
            None => Err(ParquetError::EOF(format!("a page of {length} bytes leaves its column"))),
        }
    }
}

fn check_pages(chunk: &[u8], max_page: u64) -> Result<(), String> {
    let (mut at, mut values) = (0, 0_u64);
    while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
        let page =
            PageHeader::parse(rest).ok_or_else(|| format!("no page header can be read at byte {at}"))?;
        let body = usize::try_from(page.compressed).ok().filter(|&n| n <= rest.len() - page.len);
        let sizes = (body, u64::try_from(page.uncompressed), u64::try_from(page.values.unwrap_or(0)));
        let (Some(body), Ok(unpacked), Ok(count)) = sizes else {
            return Err(format!("the page at byte {at} declares impossible sizes"));
        };
        if unpacked > max_page {
            return Err(format!("a page of {unpacked} bytes, more than the limit of {max_page}"));
        }
        // An entry takes a byte at the least.
        if page.is_dictionary && count > unpacked {
            return Err(format!("a dictionary of {unpacked} bytes declares {count} entries"));
        }
        if let Some(encoding) = page.encoding.filter(|encoding| !ENCODINGS.contains(encoding)) {
            return Err(format!("page encoding {encoding} is not supported; use plain or dictionary"));
        }
        values += if page.is_dictionary { 0 } else { count };
        if values > MAX_VALUES {
            return Err(format!("{values} values in a row group, more than the limit of {MAX_VALUES}"));
        }
        at += page.len + body;
    }
    Ok(())
}

/// Reads the last bytes of the file, which say how long the footer is.
pub(super) fn check_ends(source: &Source) -> Result<(), String> {
    const MAX_FOOTER: u64 = 64 << 20;
    let size = source.size();
    if size < 12 {
        return Err(format!("it has {size} bytes, too few for a Parquet file"));
    }
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    let fail = |e: std::io::Error| e.to_string();
    source.read(0, 4)?.reader().read_exact(&mut head).map_err(fail)?;
    source.read(size - 8, 8)?.reader().read_exact(&mut tail).map_err(fail)?;
    let [a, b, c, d, magic @ ..] = tail;
    if &head != b"PAR1" {
        return Err("it does not begin with PAR1: it is no Parquet file".to_owned());
    }
    if &magic != b"PAR1" {
        return Err("it does not end in PAR1: it was cut short".to_owned());
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer > (size - 12).min(MAX_FOOTER) {
        return Err(format!("its footer declares {footer} of {size} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    /// A page with these declared sizes; `inner` is the Thrift field of the page kind.
    fn page(inner: u8, unpacked: i64, packed: i64, values: i64, encoding: i64) -> Vec<u8> {
        let mut out = vec![0x15, 0x00];
        for number in [unpacked, packed] {
            out.push(0x15);
            out.extend(zigzag(number));
        }
        out.push(((inner - 3) << 4) | 12);
        for number in [values, encoding] {
            out.push(0x15);
            out.extend(zigzag(number));
        }
        out.extend([0; 52]);
        out
    }

    #[test]
    fn declared_sizes_are_held_to_limits() {
        assert_eq!(check_pages(&page(5, 100, 50, 7, 0), 1000), Ok(()));
        assert_eq!(check_pages(&[page(7, 100, 50, 7, 2), page(5, 100, 50, 7, 8)].concat(), 1000), Ok(()));
        for (bytes, wanted) in [
            (page(5, 2_000_000_000, 50, 7, 0), "more than the limit"),
            (page(5, -1, 50, 7, 0), "impossible sizes"),
            (page(5, 100, 51, 7, 0), "impossible sizes"),
            (page(5, 100, -50, 7, 0), "impossible sizes"),
            (page(5, 100, 50, -7, 0), "impossible sizes"),
            (page(5, 100, 50, 2_000_000_000, 0), "values in a row group"),
            (page(7, 100, 50, 2_000_000_000, 2), "declares 2000000000 entries"),
            (page(5, 100, 50, 7, 6), "page encoding 6"),
            (page(5, 100, 49, 7, 0), "no page header"),
            (vec![0xff; 20], "no page header"),
        ] {
            assert!(check_pages(&bytes, 1000).is_err_and(|said| said.contains(wanted)), "{wanted}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_walk(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = check_pages(&bytes, MAX_PAGE);
            let _ = check_ends(&Source::Memory(bytes.into()));
        }
    }
}
