//! Borrowed views of the records in an uncompressed record section.
//!
//! ```text
//! record: length varint | attributes i8 | timestamp_delta varlong | offset_delta varint
//!         | key_length varint (-1: null) | key | value_length varint (-1: null) | value
//!         | header_count varint | { key_length varint | key | value_length varint (-1: null) | value }*
//! ```
//!
//! A record's headers are checked when the record is read, so iterating over them can't fail.

use std::iter::FusedIterator;

use crate::error::{Error, RecordFault};
use crate::varint;

/// One record header: its key, and its value if it is not null.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// One record, borrowed from its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// To be added to the batch's base timestamp.
    pub timestamp_delta: i64,
    /// To be added to the batch's base offset.
    pub offset_delta: i32,
    /// The key; null is not empty.
    pub key: Option<&'a [u8]>,
    /// The value; null (a tombstone) is not empty.
    pub value: Option<&'a [u8]>,
    /// The headers, in order, duplicates kept.
    pub headers: Headers<'a>,
}

/// The records of a section, one after the other.
///
/// Yields `record_count` records, or fewer and an error. Bytes after the last record are an error
/// too, yielded after it. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    next_index: i32,
    record_count: i32,
    done: bool,
}

impl<'a> Records<'a> {
    /// Iterates over an uncompressed section that should hold this many records.
    pub fn new(section: &'a [u8], record_count: i32) -> Records<'a> {
        Records { rest: section, next_index: 0, record_count, done: false }
    }

    /// The bytes after the records yielded so far: where a section can be cut.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.next_index >= self.record_count {
            self.done = true;
            return match self.rest.len() {
                0 => None,
                trailing => Some(Err(Error::TrailingBytes(trailing))),
            };
        }
        let index = self.next_index;
        match take_record(&mut self.rest) {
            Ok(record) => {
                self.next_index += 1;
                Some(Ok(record))
            }
            Err(fault) => {
                self.done = true;
                Some(Err(Error::InvalidRecord { index, fault }))
            }
        }
    }
}

impl FusedIterator for Records<'_> {}

/// Takes one record off the front of `section`; on a fault `section` is left as it was.
#[inline]
pub(crate) fn take_record<'a>(section: &mut &'a [u8]) -> Result<Record<'a>, RecordFault> {
    let mut rest = *section;
    let length = varint::take_i32(&mut rest)?;
    let length = usize::try_from(length).map_err(|_| RecordFault::NegativeLength(length))?;
    let Some((body, rest)) = rest.split_at_checked(length) else {
        return Err(RecordFault::Truncated);
    };
    let record = parse_body(body).map_err(|fault| match fault {
        // The section goes on; it is the record that is too small.
        RecordFault::Truncated => RecordFault::FieldBeyondRecord,
        other => other,
    })?;
    *section = rest;
    Ok(record)
}

#[inline]
fn parse_body(body: &[u8]) -> Result<Record<'_>, RecordFault> {
    // Record attributes are unused; Kafka ignores them as well.
    let (_attributes, mut rest) = body.split_first().ok_or(RecordFault::Truncated)?;
    let timestamp_delta = varint::take_i64(&mut rest)?;
    let offset_delta = varint::take_i32(&mut rest)?;
    let key = take_nullable(&mut rest)?;
    let value = take_nullable(&mut rest)?;
    let headers = take_headers(rest)?;
    Ok(Record { timestamp_delta, offset_delta, key, value, headers })
}

#[inline]
fn take_nullable<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordFault> {
    let length = varint::take_i32(rest)?;
    if length == -1 {
        return Ok(None);
    }
    take_bytes(rest, length).map(Some)
}

#[inline]
fn take_bytes<'a>(rest: &mut &'a [u8], length: i32) -> Result<&'a [u8], RecordFault> {
    let length = usize::try_from(length).map_err(|_| RecordFault::NegativeLength(length))?;
    let (bytes, after) = rest.split_at_checked(length).ok_or(RecordFault::Truncated)?;
    *rest = after;
    Ok(bytes)
}

/// Checks that `rest` is exactly a header count and that many headers.
#[inline]
fn take_headers(mut rest: &[u8]) -> Result<Headers<'_>, RecordFault> {
    let count = varint::take_i32(&mut rest)?;
    let headers = match usize::try_from(count) {
        // A header has at least two bytes.
        Ok(count) if count <= rest.len() / 2 => Headers { count, encoded: rest },
        _ => return Err(RecordFault::HeaderCount(count)),
    };
    for _ in 0..headers.count {
        take_header(&mut rest)?;
    }
    match rest.len() {
        0 => Ok(headers),
        unused => Err(RecordFault::UnusedBytes(unused)),
    }
}

#[inline]
fn take_header<'a>(rest: &mut &'a [u8]) -> Result<Header<'a>, RecordFault> {
    let key_length = varint::take_i32(rest)?;
    let key = take_bytes(rest, key_length)?;
    Ok((key, take_nullable(rest)?))
}

/// A record's headers: checked when the record was read, decoded when asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    count: usize,
    encoded: &'a [u8],
}

impl<'a> Headers<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers in order.
    pub fn iter(&self) -> HeadersIter<'a> {
        HeadersIter { left: self.count, rest: self.encoded }
    }

    /// The value of the last header with this key, as Kafka's clients look headers up.
    pub fn last(&self, key: &[u8]) -> Option<Option<&'a [u8]>> {
        self.iter().filter(|(found, _)| *found == key).last().map(|(_, value)| value)
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = Header<'a>;
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> HeadersIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Headers`].
#[derive(Clone, Debug)]
pub struct HeadersIter<'a> {
    left: usize,
    rest: &'a [u8],
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        take_header(&mut self.rest).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for HeadersIter<'_> {}
