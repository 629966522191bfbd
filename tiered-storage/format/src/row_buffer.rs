//! Records on their way into the columns, all but their values.
//!
//! Keys and header values are not copied here: the arrays point into the batches' record sections, which stay
//! alive until the buffer is emptied.

use std::sync::Arc;

use arrow_array::builder::make_view;
use arrow_array::{
    ArrayRef, BinaryViewArray, Int32Array, Int64Array, ListArray, StringViewArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use bytes::Bytes;
use tidemill_records::Record;

use crate::error::{Error, corrupt};
use crate::schema::{header_element, header_fields};

/// Rows are handed on at this many at the latest.
const MAX_ROWS: usize = 16 * 1024;
/// The column writers check their page limits once per so many values, and at the end of each run of
/// rows handed to them.
pub(crate) const WRITE_BATCH_ROWS: usize = 256;
/// Rows are handed on when the batches that they point into may have so many pages' worth of bytes.
const MAX_PINNED_PAGES: usize = 16;
/// Columns that go through here.
const COLUMNS: usize = 5;
/// Roughly what a row costs besides its bytes.
const ROW_OVERHEAD_BYTES: usize = 16;

/// A header key that the `STRING` column cannot hold.
pub(crate) struct OddHeaderKey<'a> {
    pub(crate) header: usize,
    pub(crate) key: &'a [u8],
}

/// A column of optional byte strings that live in shared buffers.
struct ViewColumn {
    views: Vec<u128>,
    nulls: NullBufferBuilder,
}

impl ViewColumn {
    fn new() -> Self {
        ViewColumn { views: Vec::new(), nulls: NullBufferBuilder::new(1024) }
    }

    fn push(&mut self, value: Option<(&[u8], u32)>, buffer: u32) {
        match value {
            Some((bytes, position)) => {
                self.views.push(make_view(bytes, buffer, position));
                self.nulls.append_non_null();
            }
            None => {
                self.views.push(0);
                self.nulls.append_null();
            }
        }
    }

    fn take(&mut self, buffers: &Arc<[Buffer]>) -> Result<BinaryViewArray, Error> {
        let views = ScalarBuffer::from(take_full(&mut self.views));
        BinaryViewArray::try_new(views, Arc::clone(buffers), self.nulls.finish()).map_err(arrow_error)
    }
}

/// Collects rows until there are enough for the column writers.
pub(crate) struct RowBuffer {
    partition: i32,
    max_bytes: usize,
    raw_bytes: usize,
    value_bytes: usize,
    section: Bytes,
    section_buffer: Option<u32>,
    buffers: Vec<Buffer>,
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    keys: ViewColumn,
    header_ends: Vec<i32>,
    header_keys: Vec<u128>,
    header_values: ViewColumn,
}

impl RowBuffer {
    /// An empty buffer that wants to be emptied at `max_bytes`.
    pub(crate) fn new(partition: i32, max_bytes: usize) -> Self {
        RowBuffer {
            partition,
            max_bytes,
            raw_bytes: 0,
            value_bytes: 0,
            section: Bytes::new(),
            section_buffer: None,
            buffers: Vec::new(),
            offsets: Vec::new(),
            timestamps: Vec::new(),
            keys: ViewColumn::new(),
            header_ends: vec![0],
            header_keys: Vec::new(),
            header_values: ViewColumn::new(),
        }
    }

    /// Announces the record section that the next records point into.
    pub(crate) fn begin_section(&mut self, section: &Bytes) {
        self.section = section.clone();
        self.section_buffer = None;
    }

    /// Rows held.
    pub(crate) fn rows(&self) -> usize {
        self.offsets.len()
    }

    /// Bytes of the rows held, those of their values included.
    pub(crate) fn raw_bytes(&self) -> usize {
        self.raw_bytes
    }

    /// Whether it is time to hand the rows on: at a page's worth, or earlier where rows are so large
    /// that only the end of what is handed on makes the writers look at their page limits; and before the
    /// batches that are kept alive become too many.
    pub(crate) fn is_full(&self) -> bool {
        let bytes = self.raw_bytes - self.value_bytes;
        let large_rows = self.rows() <= WRITE_BATCH_ROWS && bytes >= self.max_bytes / 4;
        let pinned = self.raw_bytes >= self.max_bytes.saturating_mul(MAX_PINNED_PAGES);
        large_rows || pinned || bytes >= self.max_bytes || self.rows() >= MAX_ROWS
    }

    /// Adds a record of the announced section. Reports header keys that had to be changed.
    pub(crate) fn push<'a>(
        &mut self,
        record: &Record<'a>,
        offset: i64,
        timestamp: i64,
        odd: &mut impl FnMut(OddHeaderKey<'a>),
    ) {
        let buffer = self.buffer();
        self.offsets.push(offset);
        self.timestamps.push(timestamp);
        let key = record.key.map(|key| (key, self.position(key)));
        self.keys.push(key, buffer);
        self.raw_bytes += ROW_OVERHEAD_BYTES + record.key.map_or(0, <[u8]>::len);
        let value_bytes = record.value.map_or(0, <[u8]>::len);
        self.value_bytes += value_bytes;
        self.raw_bytes += value_bytes;
        for (index, (key, value)) in record.headers.iter().enumerate() {
            self.raw_bytes += key.len() + value.map_or(0, <[u8]>::len);
            self.push_header_key(key, buffer);
            if std::str::from_utf8(key).is_err() {
                odd(OddHeaderKey { header: index, key });
            }
            let value = value.map(|value| (value, self.position(value)));
            self.header_values.push(value, buffer);
        }
        self.header_ends.push(i32::try_from(self.header_keys.len()).unwrap_or(i32::MAX));
    }

    fn push_header_key(&mut self, key: &[u8], buffer: u32) {
        if std::str::from_utf8(key).is_ok() {
            self.header_keys.push(make_view(key, buffer, self.position(key)));
            return;
        }
        let readable = String::from_utf8_lossy(key).into_owned();
        let index = self.buffers.len() as u32;
        self.header_keys.push(make_view(readable.as_bytes(), index, 0));
        self.buffers.push(Buffer::from(readable.into_bytes()));
    }

    /// The index of the section's buffer, registered at its first record since the last `take`.
    fn buffer(&mut self) -> u32 {
        if let Some(index) = self.section_buffer {
            return index;
        }
        let index = self.buffers.len() as u32;
        self.buffers.push(Buffer::from(self.section.clone()));
        self.section_buffer = Some(index);
        index
    }

    /// Where a piece of the section lies in it.
    fn position(&self, piece: &[u8]) -> u32 {
        (piece.as_ptr() as usize).wrapping_sub(self.section.as_ptr() as usize) as u32
    }

    /// Empties the buffer into one array per column of the schema.
    pub(crate) fn take(&mut self) -> Result<Rows, Error> {
        let rows = self.rows();
        let buffers: Arc<[Buffer]> = std::mem::take(&mut self.buffers).into();
        self.section_buffer = None;
        let partition = Int32Array::from(vec![self.partition; rows]);
        let offset = Int64Array::from(take_full(&mut self.offsets));
        let timestamp = TimestampMicrosecondArray::from(take_full(&mut self.timestamps)).with_timezone("UTC");
        let key = self.keys.take(&buffers)?;
        let have_headers = !self.header_keys.is_empty();
        let headers = self.take_headers(&buffers)?;
        let raw_bytes = std::mem::take(&mut self.raw_bytes);
        self.value_bytes = 0;
        let key = Arc::new(key);
        let columns: [ArrayRef; COLUMNS] = [
            Arc::new(partition),
            Arc::new(offset),
            Arc::new(timestamp),
            Arc::clone(&key) as ArrayRef,
            Arc::new(headers),
        ];
        Ok(Rows { rows, raw_bytes, have_headers, key, columns })
    }

    fn take_headers(&mut self, buffers: &Arc<[Buffer]>) -> Result<ListArray, Error> {
        let keys = ScalarBuffer::from(take_full(&mut self.header_keys));
        let keys = StringViewArray::try_new(keys, Arc::clone(buffers), None).map_err(arrow_error)?;
        let values = self.header_values.take(buffers)?;
        let pairs = StructArray::try_new(header_fields(), vec![Arc::new(keys), Arc::new(values)], None)
            .map_err(arrow_error)?;
        let ends = std::mem::replace(&mut self.header_ends, vec![0]);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        ListArray::try_new(Arc::new(header_element()), offsets, Arc::new(pairs), None).map_err(arrow_error)
    }
}

/// Takes a vector, leaving one with room for as much again.
fn take_full<T>(vector: &mut Vec<T>) -> Vec<T> {
    let room = vector.len() + vector.len() / 8;
    std::mem::replace(vector, Vec::with_capacity(room))
}

/// Rows as arrays.
pub(crate) struct Rows {
    /// How many.
    pub(crate) rows: usize,
    /// Their raw size.
    pub(crate) raw_bytes: usize,
    /// Whether any of them has a header.
    pub(crate) have_headers: bool,
    /// The `key` column.
    pub(crate) key: Arc<BinaryViewArray>,
    /// All columns but `value`, in schema order.
    pub(crate) columns: [ArrayRef; COLUMNS],
}

fn arrow_error(error: arrow_schema::ArrowError) -> Error {
    corrupt(format!("building columns: {error}"))
}
