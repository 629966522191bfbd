//! One small column, decoded a run of rows at a time into plain vectors.

use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::DataType;

use crate::error::{Error, corrupt};
use crate::footer::Footer;
use crate::page_cursor::PageCursor;
use crate::sparse_file::SparseFile;

/// Rows that are decoded at a time to get past them.
const SKIPPED_ROWS: usize = 1024;

/// A column of a row group, and the run of rows that was decoded last.
pub(crate) struct ScalarReader<T: DataType> {
    reader: ColumnReaderImpl<T>,
    /// What is not null.
    pub(crate) values: Vec<T::T>,
    /// Definition levels, where the column has any.
    pub(crate) definitions: Vec<i16>,
    /// Repetition levels, where the column has any.
    pub(crate) repetitions: Vec<i16>,
}

impl<T: DataType> ScalarReader<T> {
    /// A column of a row group from a row on.
    pub(crate) fn open(
        footer: &Footer,
        file: &SparseFile,
        group: usize,
        leaf: usize,
        row: usize,
    ) -> Result<Self, Error> {
        let mut pages = PageCursor::open(footer, file, group, leaf)?;
        let mut rest = pages.skip_pages(row);
        let reader = ColumnReaderImpl::new(
            footer.metadata().file_metadata().schema_descr().column(leaf),
            Box::new(pages),
        );
        let mut column =
            ScalarReader { reader, values: Vec::new(), definitions: Vec::new(), repetitions: Vec::new() };
        // Not by the crate's `skip_records`, which goes on for ever where a page has fewer levels than it says.
        while rest > 0 {
            let rows = rest.min(SKIPPED_ROWS);
            column.fill(rows)?;
            rest -= rows;
        }
        Ok(column)
    }

    /// Decodes the next rows in place of those that were there.
    pub(crate) fn fill(&mut self, rows: usize) -> Result<(), Error> {
        self.values.clear();
        self.definitions.clear();
        self.repetitions.clear();
        let levels = (Some(&mut self.definitions), Some(&mut self.repetitions));
        let (read, ..) =
            self.reader.read_records(rows, levels.0, levels.1, &mut self.values).map_err(undecodable)?;
        if read == rows { Ok(()) } else { Err(corrupt("the columns have too few rows")) }
    }
}

fn undecodable(error: parquet::errors::ParquetError) -> Error {
    corrupt(format!("the columns: {error}"))
}
