//! A record to write.

use crate::record::{Headers, Record};
use crate::varint::{len, nullable_len, put, put_nullable};

/// A record to write: from a record that came in, with some of it changed, or from nothing.
///
/// ```
/// use tidemill_sdk::{Batch, Error, NewRecord, Output};
///
/// fn shout(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
///     for record in input {
///         let loud = record.value_str()?.to_uppercase();
///         out.push(&NewRecord::from(record).value(&loud).header("volume", "11"));
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct NewRecord<'a> {
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    kept: Headers<'a>,
    added: Added<'a>,
}

/// Headers added to a record. The first has its place here, so that a record with one takes no memory of its own.
#[derive(Clone, Debug, Default)]
struct Added<'a> {
    first: Option<Pair<'a>>,
    others: Vec<Pair<'a>>,
}

type Pair<'a> = (&'a [u8], Option<&'a [u8]>);

impl<'a> Added<'a> {
    #[inline]
    fn push(&mut self, header: Pair<'a>) {
        match self.first {
            None => self.first = Some(header),
            Some(_) => self.others.push(header),
        }
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = &Pair<'a>> {
        self.first.iter().chain(&self.others)
    }

    #[inline]
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }
}

impl<'a> NewRecord<'a> {
    /// A record without key, value and headers, at a time in milliseconds since 1970.
    pub fn new(timestamp: i64) -> Self {
        NewRecord { timestamp, key: None, value: None, kept: Headers::default(), added: Added::default() }
    }

    /// Sets the timestamp.
    #[must_use]
    pub fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.key = Some(key.as_ref());
        self
    }

    /// Makes the key null.
    #[must_use]
    pub fn null_key(mut self) -> Self {
        self.key = None;
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn value(mut self, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.value = Some(value.as_ref());
        self
    }

    /// Makes the value null: a tombstone.
    #[must_use]
    pub fn null_value(mut self) -> Self {
        self.value = None;
        self
    }

    /// Adds a header after those it has.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.added.push((name.as_bytes(), Some(value.as_ref())));
        self
    }

    /// Adds a header with a null value after those it has.
    #[must_use]
    pub fn null_header(mut self, name: &'a str) -> Self {
        self.added.push((name.as_bytes(), None));
        self
    }

    /// Drops all headers it has.
    #[must_use]
    pub fn without_headers(mut self) -> Self {
        self.kept = Headers::default();
        self.added = Added::default();
        self
    }

    /// Appends the record in Kafka's encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, base_timestamp: i64, offset_delta: i64) {
        let timestamp_delta = self.timestamp.saturating_sub(base_timestamp);
        let header_count = (self.kept.len() + self.added.len()) as i64;
        let added: usize =
            self.added.iter().map(|(name, value)| nullable_len(Some(name)) + nullable_len(*value)).sum();
        let length = 1
            + len(timestamp_delta)
            + len(offset_delta)
            + nullable_len(self.key)
            + nullable_len(self.value)
            + len(header_count)
            + self.kept.raw().len()
            + added;
        out.reserve(length + 5);
        put(out, length as i64);
        out.push(0);
        put(out, timestamp_delta);
        put(out, offset_delta);
        put_nullable(out, self.key);
        put_nullable(out, self.value);
        put(out, header_count);
        out.extend_from_slice(self.kept.raw());
        for (name, value) in self.added.iter() {
            put_nullable(out, Some(name));
            put_nullable(out, *value);
        }
    }
}

/// A record like the one that came in: key, value, timestamp and headers.
impl<'a> From<Record<'a>> for NewRecord<'a> {
    fn from(record: Record<'a>) -> Self {
        NewRecord {
            timestamp: record.timestamp(),
            key: record.key(),
            value: record.value(),
            kept: record.headers(),
            added: Added::default(),
        }
    }
}

impl<'a> From<&Record<'a>> for NewRecord<'a> {
    fn from(record: &Record<'a>) -> Self {
        (*record).into()
    }
}
