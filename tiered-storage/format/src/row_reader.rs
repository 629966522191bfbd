//! Rows out of the columns, one after the other. Columns that the plan does not need are not read.

use std::ops::Range;

use parquet::data_type::Int64Type;

use crate::bytes_reader::BytesReader;
use crate::error::{Error, corrupt};
use crate::footer::Footer;
use crate::header_reader::HeaderReader;
use crate::plan::{Columns, Plan};
use crate::scalar_reader::ScalarReader;
use crate::schema::{MICROS_PER_MILLI, leaf};
use crate::sparse_file::SparseFile;

/// Rows whose small columns are decoded at a time: few enough for them to stay in the processor's cache.
const RUN_ROWS: usize = 512;

/// The columns of one row group.
struct GroupReader {
    /// Rows that are not decoded yet, and those that are.
    left: usize,
    run: Range<usize>,
    offset: Option<ScalarReader<Int64Type>>,
    timestamp: Option<ScalarReader<Int64Type>>,
    key: Option<BytesReader>,
    value: BytesReader,
    headers: Option<HeaderReader>,
}

impl GroupReader {
    fn open(
        footer: &Footer,
        file: &SparseFile,
        columns: Columns,
        group: usize,
        rows: &Range<u64>,
    ) -> Result<Self, Error> {
        let first = as_usize(rows.start)?;
        let number = |needed: bool, leaf| {
            needed.then(|| ScalarReader::open(footer, file, group, leaf, first)).transpose()
        };
        let key = columns.key.then(|| BytesReader::open(footer, file, group, leaf::KEY, first));
        let headers = columns.headers.then(|| HeaderReader::open(footer, file, group, first));
        Ok(GroupReader {
            left: as_usize(rows.end - rows.start)?,
            run: 0..0,
            offset: number(columns.offset, leaf::OFFSET)?,
            timestamp: number(columns.timestamp, leaf::TIMESTAMP)?,
            key: key.transpose()?,
            value: BytesReader::open(footer, file, group, leaf::VALUE, first)?,
            headers: headers.transpose()?,
        })
    }

    /// Decodes the next rows of the small columns.
    #[inline(never)]
    fn fill(&mut self) -> Result<(), Error> {
        let rows = self.left.min(RUN_ROWS);
        for column in [&mut self.offset, &mut self.timestamp].into_iter().flatten() {
            column.fill(rows)?;
        }
        if let Some(headers) = &mut self.headers {
            headers.fill(rows)?;
        }
        self.left -= rows;
        self.run = 0..rows;
        Ok(())
    }

    /// Goes to the next row, if there is one.
    #[inline]
    fn next(&mut self) -> Result<Option<Row<'_>>, Error> {
        if self.run.is_empty() && self.left > 0 {
            self.fill()?;
        }
        let Some(index) = self.run.next() else {
            return Ok(None);
        };
        if let Some(key) = &mut self.key {
            key.next()?;
        }
        if let Some(headers) = &mut self.headers {
            headers.advance()?;
        }
        self.value.next()?;
        Ok(Some(Row { group: self, index }))
    }
}

/// Reads a plan's rows in order.
pub(crate) struct RowReader<'a> {
    footer: &'a Footer,
    file: &'a SparseFile,
    columns: Columns,
    groups: std::vec::IntoIter<(usize, Range<u64>)>,
    group: Option<GroupReader>,
}

impl<'a> RowReader<'a> {
    /// A reader of the plan's rows from its fetched ranges.
    pub(crate) fn new(footer: &'a Footer, plan: &Plan, file: &'a SparseFile) -> Self {
        let groups: Vec<_> = footer.groups(&plan.rows).collect();
        RowReader { footer, file, columns: plan.columns, groups: groups.into_iter(), group: None }
    }

    /// The next row.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Row<'_>, Error> {
        let few = || corrupt("the columns have too few rows");
        if self.group.as_ref().is_none_or(|group| group.run.is_empty() && group.left == 0) {
            let (group, rows) = self.groups.next().ok_or_else(few)?;
            self.group = Some(GroupReader::open(self.footer, self.file, self.columns, group, &rows)?);
        }
        self.group.as_mut().map(GroupReader::next).transpose()?.flatten().ok_or_else(few)
    }
}

fn as_usize(rows: u64) -> Result<usize, Error> {
    usize::try_from(rows).map_err(|_| corrupt("too many rows"))
}

/// One row.
pub(crate) struct Row<'a> {
    group: &'a GroupReader,
    index: usize,
}

impl<'a> Row<'a> {
    /// Its offset, if that column was read.
    pub(crate) fn offset(&self) -> Option<i64> {
        self.group.offset.as_ref()?.values.get(self.index).copied()
    }

    /// Its timestamp in milliseconds, if that column was read.
    pub(crate) fn timestamp_ms(&self) -> Option<i64> {
        Some(self.group.timestamp.as_ref()?.values.get(self.index)? / MICROS_PER_MILLI)
    }

    /// Its key.
    pub(crate) fn key(&self) -> Option<&'a [u8]> {
        self.group.key.as_ref()?.value()
    }

    /// Its value.
    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        self.group.value.value()
    }

    /// How many headers it has.
    pub(crate) fn header_count(&self) -> usize {
        self.group.headers.as_ref().map_or(0, HeaderReader::count)
    }

    /// One of its headers.
    pub(crate) fn header(&self, index: usize) -> (&'a [u8], Option<&'a [u8]>) {
        self.group.headers.as_ref().and_then(|headers| headers.get(index)).unwrap_or_default()
    }
}
