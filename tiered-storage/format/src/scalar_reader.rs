//! One small column, decoded a run of rows at a time into plain vectors.

use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::DataType;

use crate::error::{Error, corrupt};
use crate::footer::Footer;
use crate::page_cursor::PageCursor;
use crate::sparse_file::SparseFile;

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
        let pages = PageCursor::open(footer, file, group, leaf)?;
        let mut reader = ColumnReaderImpl::new(
            footer.metadata().file_metadata().schema_descr().column(leaf),
            Box::new(pages),
        );
        if reader.skip_records(row).map_err(undecodable)? != row {
            return Err(corrupt("the columns have too few rows"));
        }
        Ok(ScalarReader { reader, values: Vec::new(), definitions: Vec::new(), repetitions: Vec::new() })
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
