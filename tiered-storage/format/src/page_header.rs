//! A look at a Parquet page before it is decoded: a few bytes may claim to be gigabytes.

use std::ops::Range;

use crate::error::{Error, corrupt};
use crate::sparse_file::SparseFile;
use crate::table::MAX_SIDE_BLOCK_BYTES;
use crate::varint::Cursor;

/// Thrift's compact encoding of "the next field is an i32".
const NEXT_FIELD_I32: u8 = 0x15;

/// Checks the size that a page's header says it has when decompressed.
///
/// The header is a Thrift struct that begins with the page's type and this size, both required.
pub(crate) fn check_page_header(file: &SparseFile, page: Range<u64>) -> Result<(), Error> {
    let bytes = file.slice(page).ok_or_else(|| corrupt("a page was not fetched"))?;
    let mut cursor = Cursor::new(&bytes);
    for field in ["type", "size"] {
        let [tag] = cursor.array()?;
        let value = cursor.signed()?;
        if tag != NEXT_FIELD_I32 || !(0..=i64::from(MAX_SIDE_BLOCK_BYTES)).contains(&value) {
            return Err(corrupt(format!("a page header has an impossible {field}")));
        }
    }
    Ok(())
}
