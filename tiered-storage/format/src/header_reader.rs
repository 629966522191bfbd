//! The `headers` column: two Parquet columns whose levels say which header belongs to which row.

use parquet::data_type::ByteArrayType;

use crate::error::{Error, corrupt};
use crate::footer::Footer;
use crate::scalar_reader::ScalarReader;
use crate::schema::leaf;
use crate::sparse_file::SparseFile;

/// Definition level of a header's value that is not null.
const VALUE_PRESENT: i16 = 2;

/// Reads the headers of one row after the other.
pub(crate) struct HeaderReader {
    keys: ScalarReader<ByteArrayType>,
    values: ScalarReader<ByteArrayType>,
    /// The next level, and the next of the values.
    level: usize,
    next_value: usize,
    next_key: usize,
    /// Of the current row, by position among what was decoded.
    row: Vec<(usize, Option<usize>)>,
}

impl HeaderReader {
    /// The headers of a row group from a row on.
    pub(crate) fn open(footer: &Footer, file: &SparseFile, group: usize, row: usize) -> Result<Self, Error> {
        Ok(HeaderReader {
            keys: ScalarReader::open(footer, file, group, leaf::HEADER_KEY, row)?,
            values: ScalarReader::open(footer, file, group, leaf::HEADER_VALUE, row)?,
            level: 0,
            next_value: 0,
            next_key: 0,
            row: Vec::new(),
        })
    }

    /// Decodes the next rows.
    pub(crate) fn fill(&mut self, rows: usize) -> Result<(), Error> {
        (self.level, self.next_value, self.next_key) = (0, 0, 0);
        self.keys.fill(rows)?;
        self.values.fill(rows)?;
        if self.keys.repetitions != self.values.repetitions {
            return Err(corrupt("headers' keys and values belong to different rows"));
        }
        Ok(())
    }

    /// Goes to the next row.
    pub(crate) fn advance(&mut self) -> Result<(), Error> {
        self.row.clear();
        loop {
            let levels = (self.keys.definitions.get(self.level), self.values.definitions.get(self.level));
            let (Some(&key), Some(&value)) = levels else {
                return Err(corrupt("the headers have too few levels"));
            };
            self.level += 1;
            if (key > 0) != (value > 0) {
                return Err(corrupt("a header has a key or a value alone"));
            }
            if key > 0 {
                let value = (value == VALUE_PRESENT).then_some(self.next_value);
                self.next_value += usize::from(value.is_some());
                self.row.push((self.next_key, value));
                self.next_key += 1;
            }
            if self.keys.repetitions.get(self.level).is_none_or(|&level| level == 0) {
                return Ok(());
            }
        }
    }

    /// How many the current row has.
    pub(crate) fn count(&self) -> usize {
        self.row.len()
    }

    /// One of the current row's.
    pub(crate) fn get(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)> {
        let (key, value) = self.row.get(index)?;
        let value = value.map(|value| self.values.values.get(value).map(|value| value.data()));
        Some((self.keys.values.get(*key)?.data(), value.flatten()))
    }
}
