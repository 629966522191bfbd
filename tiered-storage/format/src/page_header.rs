//! The header before every Parquet page: a struct in Thrift's compact protocol.
//!
//! Only what archive objects have: dictionary pages, and data pages of version 1. A few bytes may claim to be
//! gigabytes, so sizes are checked here, before anything is decompressed.

use std::cmp::Ordering;

use parquet::basic::Encoding;

use crate::error::{Error, corrupt};
use crate::table::MAX_SIDE_BLOCK_BYTES;
use crate::varint::{Cursor, put_signed};

/// Types of fields in Thrift's compact protocol.
mod thrift {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const STRUCT: u8 = 12;
}

/// Fields of the header, as `parquet.thrift` numbers them.
mod field {
    pub(super) const TYPE: i64 = 1;
    pub(super) const RAW_BYTES: i64 = 2;
    pub(super) const STORED_BYTES: i64 = 3;
    pub(super) const DATA: i64 = 5;
    pub(super) const DICTIONARY: i64 = 7;
    /// Within either.
    pub(super) const VALUES: i64 = 1;
    pub(super) const ENCODING: i64 = 2;
}

const DATA_PAGE: i64 = 0;
const DICTIONARY_PAGE: i64 = 2;
/// `Encoding::PLAIN` and `Encoding::RLE`.
const PLAIN: i64 = 0;
const RLE: i64 = 3;
/// Structs within structs that a header may have: statistics are one level deep.
const MAX_DEPTH: usize = 4;

/// What a page's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageHeader {
    /// Whether the page is the column chunk's dictionary.
    pub(crate) is_dictionary: bool,
    /// Size of the page when decompressed, without the header.
    pub(crate) raw_bytes: usize,
    /// Size of the page as it lies in the file, without the header.
    pub(crate) stored_bytes: usize,
    /// Values, nulls included; of repeated columns, levels.
    pub(crate) values: u32,
    /// How the values are encoded.
    pub(crate) encoding: Encoding,
}

impl PageHeader {
    /// A data page of plainly encoded values.
    pub(crate) fn plain(raw_bytes: usize, stored_bytes: usize, values: u32) -> Self {
        PageHeader { is_dictionary: false, raw_bytes, stored_bytes, values, encoding: Encoding::PLAIN }
    }

    /// Reads a header off the start of a page; what is left is the page's body.
    pub(crate) fn parse(page: &[u8]) -> Result<(PageHeader, &[u8]), Error> {
        let mut cursor = Cursor::new(page);
        let mut kind = None;
        let [mut raw, mut stored, mut values, mut encoding] = [None; 4];
        let mut fields = Fields::default();
        while let Some((id, form)) = fields.next(&mut cursor)? {
            match (id, form) {
                (field::TYPE, thrift::I32) => kind = Some(cursor.signed()?),
                (field::RAW_BYTES, thrift::I32) => raw = Some(cursor.signed()?),
                (field::STORED_BYTES, thrift::I32) => stored = Some(cursor.signed()?),
                (field::DATA | field::DICTIONARY, thrift::STRUCT) => {
                    let mut inner = Fields::default();
                    while let Some((id, form)) = inner.next(&mut cursor)? {
                        match (id, form) {
                            (field::VALUES, thrift::I32) => values = Some(cursor.signed()?),
                            (field::ENCODING, thrift::I32) => encoding = Some(cursor.signed()?),
                            _ => skip(&mut cursor, form, MAX_DEPTH)?,
                        }
                    }
                }
                _ => skip(&mut cursor, form, MAX_DEPTH)?,
            }
        }
        let is_dictionary = match kind {
            Some(DATA_PAGE) => false,
            Some(DICTIONARY_PAGE) => true,
            _ => return Err(corrupt("a page is of a kind that archive objects do not have")),
        };
        let header = PageHeader {
            is_dictionary,
            raw_bytes: size(raw)?,
            stored_bytes: size(stored)?,
            values: values.and_then(|values| u32::try_from(values).ok()).ok_or_else(incomplete)?,
            encoding: known_encoding(encoding.ok_or_else(incomplete)?)?,
        };
        match header.stored_bytes.cmp(&cursor.rest().len()) {
            Ordering::Equal => Ok((header, cursor.rest())),
            _ => Err(corrupt("a page is not as long as the page index says")),
        }
    }

    /// Appends the header of a data page of plainly encoded values.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_i32(out, 1, DATA_PAGE);
        put_i32(out, 1, self.raw_bytes as i64);
        put_i32(out, 1, self.stored_bytes as i64);
        out.push(2 << 4 | thrift::STRUCT);
        put_i32(out, 1, i64::from(self.values));
        put_i32(out, 1, PLAIN);
        // Of definition levels and of repetition levels.
        put_i32(out, 1, RLE);
        put_i32(out, 1, RLE);
        out.extend_from_slice(&[0, 0]);
    }
}

fn put_i32(out: &mut Vec<u8>, id_delta: u8, value: i64) {
    out.push(id_delta << 4 | thrift::I32);
    put_signed(out, value);
}

/// The encodings that columns of archive objects have.
fn known_encoding(number: i64) -> Result<Encoding, Error> {
    match number {
        PLAIN => Ok(Encoding::PLAIN),
        2 => Ok(Encoding::PLAIN_DICTIONARY),
        5 => Ok(Encoding::DELTA_BINARY_PACKED),
        8 => Ok(Encoding::RLE_DICTIONARY),
        _ => Err(corrupt("a page has an encoding that archive objects do not use")),
    }
}

fn incomplete() -> Error {
    corrupt("a page header is incomplete")
}

fn size(claimed: Option<i64>) -> Result<usize, Error> {
    let size = u32::try_from(claimed.ok_or_else(incomplete)?).ok();
    let size = size.filter(|size| *size <= MAX_SIDE_BLOCK_BYTES);
    size.map(|size| size as usize).ok_or_else(|| corrupt("a page header claims an impossible size"))
}

/// The fields of one struct.
#[derive(Default)]
struct Fields {
    last: i64,
}

impl Fields {
    /// The next field's number and type, until the struct ends.
    fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<(i64, u8)>, Error> {
        let [head] = cursor.array()?;
        if head == 0 {
            return Ok(None);
        }
        self.last = match head >> 4 {
            0 => cursor.signed()?,
            delta => self.last.saturating_add(i64::from(delta)),
        };
        Ok(Some((self.last, head & 0x0f)))
    }
}

/// Passes over a field that nobody here needs.
fn skip(cursor: &mut Cursor<'_>, form: u8, depth: usize) -> Result<(), Error> {
    match form {
        thrift::TRUE | thrift::FALSE => {}
        thrift::BYTE => drop(cursor.take(1)?),
        thrift::I16 | thrift::I32 | thrift::I64 => drop(cursor.unsigned()?),
        thrift::DOUBLE => drop(cursor.take(8)?),
        thrift::BINARY => {
            let len = usize::try_from(cursor.unsigned()?).unwrap_or(usize::MAX);
            cursor.take(len)?;
        }
        thrift::STRUCT if depth > 0 => {
            let mut fields = Fields::default();
            while let Some((_, form)) = fields.next(cursor)? {
                skip(cursor, form, depth - 1)?;
            }
        }
        _ => return Err(corrupt("a page header has a field that none has")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::varint::put_unsigned;

    fn encoded(header: &PageHeader) -> Vec<u8> {
        let mut out = Vec::new();
        header.put(&mut out);
        out.resize(out.len() + header.stored_bytes, 7);
        out
    }

    #[test]
    fn statistics_and_checksums_are_passed_over() {
        let header = PageHeader::plain(100, 3, 9);
        let plain = encoded(&header);
        let data = plain.iter().position(|byte| *byte == 2 << 4 | thrift::STRUCT).unwrap();
        let mut with_crc = plain[..data].to_vec();
        with_crc.push(1 << 4 | thrift::I32);
        put_signed(&mut with_crc, -5);
        with_crc.push(1 << 4 | thrift::STRUCT);
        let end = plain.len() - header.stored_bytes - 2;
        with_crc.extend_from_slice(&plain[data + 1..end]);
        with_crc.push(1 << 4 | thrift::STRUCT);
        with_crc.push(1 << 4 | thrift::BINARY);
        put_unsigned(&mut with_crc, 4);
        with_crc.extend_from_slice(b"min!");
        with_crc.extend_from_slice(&[6 << 4 | thrift::TRUE, 0, 0, 0]);
        with_crc.extend_from_slice(&[1, 2, 3]);
        assert_eq!(PageHeader::parse(&with_crc).unwrap(), (header, &[1u8, 2, 3][..]));
    }

    #[test]
    fn impossible_sizes_and_endless_structs_are_refused() {
        let huge = PageHeader::plain(MAX_SIDE_BLOCK_BYTES as usize + 1, 0, 1);
        assert!(PageHeader::parse(&encoded(&huge)).is_err());
        let mut nested = vec![9 << 4 | thrift::STRUCT; 100_000];
        nested.extend_from_slice(&[0; 100_000]);
        assert!(PageHeader::parse(&nested).is_err());
    }

    proptest! {
        #[test]
        fn headers_come_back(raw in 0..1usize << 29, stored in 0..2000usize, values in any::<u32>()) {
            let header = PageHeader::plain(raw, stored, values & 0x7fff_ffff);
            let bytes = encoded(&header);
            let (read, body) = PageHeader::parse(&bytes).unwrap();
            prop_assert_eq!(read, header);
            prop_assert_eq!(body.len(), stored);
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = PageHeader::parse(&noise);
        }
    }
}
