//! Borrowed views of the records of a batch.

use crate::batch::Facts;
use crate::error::Error;
use crate::text::utf8;
use crate::varint::{take_bytes, take_int, take_long, take_nullable};
use std::fmt;

/// A record, borrowed from the batch it came in. Copying one copies no bytes.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    facts: &'a Facts,
    offset_delta: i32,
    timestamp_delta: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Headers<'a>,
    /// From the key's length to the end of the headers: what a copy of the record repeats.
    body: &'a [u8],
}

impl<'a> Record<'a> {
    /// Takes a record off the front of a record section; `None` if the bytes make no sense.
    #[inline(always)]
    pub(crate) fn take(facts: &'a Facts, section: &mut &'a [u8]) -> Option<Self> {
        let length = usize::try_from(take_int(section)?).ok()?;
        let mut rest = take_bytes(section, length)?;
        let (_attributes, after) = rest.split_first()?;
        rest = after;
        let timestamp_delta = take_long(&mut rest)?;
        let offset_delta = take_int(&mut rest)?;
        let body = rest;
        let key = take_nullable(&mut rest)?;
        let value = take_nullable(&mut rest)?;
        let count = u32::try_from(take_int(&mut rest)?).ok()?;
        let headers = Headers { count, bytes: rest };
        if count == 0 && !rest.is_empty() {
            return None;
        }
        Some(Record { facts, offset_delta, timestamp_delta, key, value, headers, body })
    }

    /// Its offset in the input partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.facts.base_offset.saturating_add(i64::from(self.offset_delta))
    }

    /// Milliseconds since 1970.
    #[inline]
    pub fn timestamp(&self) -> i64 {
        match self.facts.log_append_time {
            Some(time) => time,
            None => self.facts.base_timestamp.saturating_add(self.timestamp_delta),
        }
    }

    /// The key. A null key is `None`, an empty one is `Some(&[])`.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The value. A null value (a tombstone) is `None`, an empty one is `Some(&[])`.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// The value as text, or an error that names this record.
    pub fn value_str(&self) -> Result<&'a str, Error> {
        let value = self.value.ok_or_else(|| self.error("the value is null"))?;
        utf8(value).map_err(|error| self.error(format!("the value is not UTF-8: {error}")))
    }

    /// The headers, in order; a name may come more than once.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// An error that names this record, so that only it is skipped, kept aside or stopped at.
    pub fn error(&self, message: impl fmt::Display) -> Error {
        Error::new(message).at_delta(self.offset_delta)
    }

    #[inline]
    pub(crate) fn offset_delta(&self) -> i32 {
        self.offset_delta
    }

    #[inline]
    pub(crate) fn body(&self) -> &'a [u8] {
        self.body
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("offset", &self.offset())
            .field("timestamp", &self.timestamp())
            .field("key", &self.key.map(String::from_utf8_lossy))
            .field("value", &self.value.map(String::from_utf8_lossy))
            .field("headers", &self.headers)
            .finish()
    }
}

/// The headers of a record: a list of names and values, in the order they were sent in.
#[derive(Clone, Copy, Default)]
pub struct Headers<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers one by one. Names are text in practice; bytes that are not make the header's name empty.
    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> {
        let mut rest = self.bytes;
        (0..self.count).map_while(move |_| {
            let name = take_nullable(&mut rest)??;
            let value = take_nullable(&mut rest)?;
            Some(Header { name: std::str::from_utf8(name).unwrap_or_default(), value })
        })
    }

    /// The value of the last header of that name, as Kafka's own clients read headers. A null value is no value.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter(|header| header.name == name).last()?.value
    }

    #[inline]
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value; null is not the same as empty.
    pub value: Option<&'a [u8]>,
}
