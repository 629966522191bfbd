//! Rows out of the columns, one after the other.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, BinaryViewArray, Int64Array, ListArray, StringViewArray, TimestampMicrosecondArray,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelectionPolicy, RowSelector,
};

use crate::error::{Error, corrupt};
use crate::footer::Footer;
use crate::plan::Plan;
use crate::schema::MICROS_PER_MILLI;
use crate::sparse_file::SparseFile;

/// Rows decoded at a time.
const MAX_ROWS: usize = 8192;

/// The columns of a run of rows; those that the plan does not need are absent.
struct Chunk {
    len: usize,
    offset: Option<Int64Array>,
    timestamp: Option<TimestampMicrosecondArray>,
    key: Option<BinaryViewArray>,
    value: BinaryViewArray,
    headers: Option<HeaderColumns>,
}

struct HeaderColumns {
    lists: ListArray,
    keys: StringViewArray,
    values: BinaryViewArray,
}

impl Chunk {
    fn of(batch: &arrow_array::RecordBatch) -> Result<Self, Error> {
        let column = |name: &str| batch.column_by_name(name);
        let bytes = |name: &str| column(name).and_then(|column| column.as_binary_view_opt()).cloned();
        let headers = match column("headers") {
            None => None,
            Some(column) => Some(HeaderColumns::of(column.as_list_opt()).ok_or_else(unexpected)?),
        };
        Ok(Chunk {
            len: batch.num_rows(),
            offset: column("offset").and_then(|column| column.as_primitive_opt::<Int64Type>()).cloned(),
            timestamp: column("timestamp")
                .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
                .cloned(),
            key: bytes("key"),
            value: bytes("value").ok_or_else(unexpected)?,
            headers,
        })
    }
}

impl HeaderColumns {
    fn of(lists: Option<&ListArray>) -> Option<Self> {
        let lists = lists?.clone();
        let pairs = lists.values().as_struct_opt()?;
        let keys = pairs.column_by_name("key")?.as_string_view_opt()?.clone();
        let values = pairs.column_by_name("value")?.as_binary_view_opt()?.clone();
        Some(HeaderColumns { lists, keys, values })
    }

    /// The header positions of a row.
    fn range(&self, row: usize) -> Range<usize> {
        let offsets = self.lists.value_offsets();
        match (offsets.get(row), offsets.get(row + 1)) {
            (Some(&start), Some(&end)) => start as usize..end as usize,
            _ => 0..0,
        }
    }
}

fn unexpected() -> Error {
    corrupt("a column has an unexpected type")
}

/// Reads a plan's rows in order.
pub(crate) struct RowReader {
    reader: Option<ParquetRecordBatchReader>,
    chunk: Option<Chunk>,
    next: usize,
}

impl RowReader {
    /// A reader of the plan's rows from its fetched ranges.
    pub(crate) fn open(footer: &Footer, plan: &Plan, file: &SparseFile) -> Result<Self, Error> {
        if plan.rows.is_empty() {
            return Ok(RowReader { reader: None, chunk: None, next: 0 });
        }
        let mut groups = Vec::new();
        let mut selection = Vec::new();
        for (group, part) in footer.groups(&plan.rows) {
            if groups.is_empty() {
                selection.push(RowSelector::skip(as_usize(part.start)?));
            }
            selection.push(RowSelector::select(as_usize(part.end - part.start)?));
            groups.push(group);
        }
        let total = as_usize(plan.rows.end - plan.rows.start)?;
        let mask = ProjectionMask::leaves(footer.arrow.parquet_schema(), plan.columns.leaves());
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), footer.arrow.clone())
            .with_row_groups(groups)
            .with_projection(mask)
            .with_row_selection_policy(RowSelectionPolicy::Selectors)
            .with_row_selection(RowSelection::from(selection))
            .with_limit(total)
            .with_batch_size(total.min(MAX_ROWS))
            .build()?;
        Ok(RowReader { reader: Some(reader), chunk: None, next: 0 })
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Row<'_>, Error> {
        if self.chunk.as_ref().is_none_or(|chunk| self.next >= chunk.len) {
            let batch = self.reader.as_mut().and_then(Iterator::next);
            let batch = batch.ok_or_else(|| corrupt("the columns have too few rows"))?;
            let batch = batch.map_err(|error| corrupt(format!("the columns: {error}")))?;
            self.chunk = Some(Chunk::of(&batch)?);
            self.next = 0;
        }
        let chunk = self.chunk.as_ref().filter(|chunk| chunk.len > 0);
        let chunk = chunk.ok_or_else(|| corrupt("the columns have too few rows"))?;
        let index = self.next;
        self.next += 1;
        let headers = chunk.headers.as_ref().map_or(0..0, |headers| headers.range(index));
        Ok(Row { chunk, index, headers })
    }
}

fn as_usize(rows: u64) -> Result<usize, Error> {
    usize::try_from(rows).map_err(|_| corrupt("too many rows"))
}

/// One row.
pub(crate) struct Row<'a> {
    chunk: &'a Chunk,
    index: usize,
    headers: Range<usize>,
}

impl<'a> Row<'a> {
    /// Its offset, if that column was read.
    pub(crate) fn offset(&self) -> Option<i64> {
        self.chunk.offset.as_ref().map(|column| column.value(self.index))
    }

    /// Its timestamp in milliseconds, if that column was read.
    pub(crate) fn timestamp_ms(&self) -> Option<i64> {
        self.chunk.timestamp.as_ref().map(|column| column.value(self.index) / MICROS_PER_MILLI)
    }

    /// Its key.
    pub(crate) fn key(&self) -> Option<&'a [u8]> {
        self.chunk.key.as_ref().and_then(|column| bytes_at(column, self.index))
    }

    /// Its value.
    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        bytes_at(&self.chunk.value, self.index)
    }

    /// How many headers it has.
    pub(crate) fn header_count(&self) -> usize {
        self.headers.len()
    }

    /// One of its headers.
    pub(crate) fn header(&self, index: usize) -> (&'a [u8], Option<&'a [u8]>) {
        let at = self.headers.start + index;
        match &self.chunk.headers {
            Some(headers) if at < self.headers.end => {
                (headers.keys.value(at).as_bytes(), bytes_at(&headers.values, at))
            }
            _ => (&[], None),
        }
    }
}

fn bytes_at(column: &BinaryViewArray, index: usize) -> Option<&[u8]> {
    column.is_valid(index).then(|| column.value(index))
}
