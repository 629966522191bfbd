//! The part of an object that says where everything is: batch table, page index, Parquet footer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use uuid::Uuid;

use crate::error::{Error, corrupt};
use crate::row_group::parquet_schema;
use crate::schema::leaf;
use crate::sparse_file::SparseFile;
use crate::table::BatchTable;
use crate::writer::{ObjectFacts, meta};

/// A parsed footer. Reading an object needs it and the ranges it plans, nothing else.
#[derive(Clone, Debug)]
pub struct Footer {
    pub(crate) facts: ObjectFacts,
    pub(crate) table: BatchTable,
    metadata: Arc<ParquetMetaData>,
    pub(crate) body_len: u64,
    pub(crate) length_bytes: u64,
    /// First row of each row group, and the end.
    pub(crate) group_starts: Vec<u64>,
}

impl Footer {
    /// Parses the last bytes of an object, from its batch table on: `footer_bytes` of its manifest
    /// entry says how many these are.
    ///
    /// With the object's CRC-32C given, the footer is known to be the one that was written, and so,
    /// by the checksums in it, is every block that is read later.
    pub fn parse(tail: Bytes, length_bytes: u64, crc32c: Option<u32>) -> Result<Self, Error> {
        let body_len = length_bytes
            .checked_sub(tail.len() as u64)
            .ok_or_else(|| corrupt("the footer is longer than the object"))?;
        let table = BatchTable::parse(&tail, body_len)?;
        if let Some(expected) = crc32c {
            let whole = crc32c::crc32c_combine(table.body_crc32c, crc32c::crc32c(&tail), tail.len());
            if whole != expected {
                return Err(Error::Checksum { position: body_len });
            }
        }
        guard(|| Self::parse_parquet(tail, table, body_len, length_bytes))
    }

    fn parse_parquet(
        tail: Bytes,
        table: BatchTable,
        body_len: u64,
        length_bytes: u64,
    ) -> Result<Self, Error> {
        let file = SparseFile::new(length_bytes, vec![(body_len, tail)]);
        let metadata = ParquetMetaDataReader::new()
            .with_column_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Optional)
            .parse_and_finish(&file)
            .map_err(|error| corrupt(format!("the Parquet footer: {error}")))?;
        let group_starts = check_metadata(&metadata, &table, body_len)?;
        let facts = facts(&metadata, &table, body_len)?;
        let metadata = Arc::new(metadata);
        Ok(Footer { facts, table, metadata, body_len, length_bytes, group_starts })
    }

    /// What the object is a part of.
    pub fn facts(&self) -> &ObjectFacts {
        &self.facts
    }

    /// Base offset of the first batch, if there is one.
    pub fn base_offset(&self) -> Option<i64> {
        self.table.chunks.first().map(|chunk| chunk.base_offset)
    }

    /// Last offset of the last batch, if there is one.
    pub fn last_offset(&self) -> Option<i64> {
        self.table.chunks.last().map(|chunk| chunk.last_offset)
    }

    /// Rows in the columns: committed records.
    pub fn row_count(&self) -> u64 {
        self.table.rows
    }

    /// Batches of all kinds.
    pub fn batch_count(&self) -> u64 {
        self.table.batch_count
    }

    /// Length of the object.
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Bytes this footer holds in memory, for bounding a cache.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.metadata().memory_size() + size_of::<Self>()
    }

    pub(crate) fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }

    pub(crate) fn offset_index(&self, group: usize, leaf: usize) -> Option<&OffsetIndexMetaData> {
        self.metadata().offset_index()?.get(group)?.get(leaf)
    }
}

/// Runs a decoder that is not ours: should hostile bytes make it panic, that is corruption too.
pub(crate) fn guard<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(corrupt("the Parquet decoder gave up")))
}

fn facts(metadata: &ParquetMetaData, table: &BatchTable, body_len: u64) -> Result<ObjectFacts, Error> {
    let pairs = metadata.file_metadata().key_value_metadata();
    let find = |key: &str| {
        let pair = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == key));
        pair.and_then(|pair| pair.value.as_deref())
            .ok_or_else(|| corrupt(format!("the Parquet footer has no {key}")))
    };
    if find(meta::TABLE_OFFSET)? != body_len.to_string() || find(meta::TABLE_LENGTH)? != table.len.to_string()
    {
        return Err(corrupt("the Parquet footer disagrees about the batch table"));
    }
    let malformed = |_| corrupt("the Parquet footer's topic id or partition is malformed");
    Ok(ObjectFacts {
        topic: find(meta::TOPIC)?.to_owned(),
        topic_id: Uuid::parse_str(find(meta::TOPIC_ID)?).map_err(|_| malformed(()))?,
        partition: find(meta::PARTITION)?.parse().map_err(|_| malformed(()))?,
    })
}

/// Checks everything that planning relies on; gives the first row of each row group, and the end.
fn check_metadata(metadata: &ParquetMetaData, table: &BatchTable, body_len: u64) -> Result<Vec<u64>, Error> {
    if metadata.file_metadata().schema_descr().root_schema() != parquet_schema()?.as_ref() {
        return Err(corrupt("the columns are not those of an archive object"));
    }
    let mut starts = vec![0u64];
    let mut next = 0u64;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        next = next.saturating_add(rows);
        starts.push(next);
        let pages = metadata.offset_index().and_then(|index_of| index_of.get(index));
        let pages = pages.ok_or_else(|| corrupt("a row group has no page index"))?;
        check_group(group, pages, rows, body_len)?;
    }
    if next != table.rows {
        return Err(corrupt(format!("the columns have {next} rows, the batch table {}", table.rows)));
    }
    Ok(starts)
}

fn check_group(
    group: &RowGroupMetaData,
    pages: &[OffsetIndexMetaData],
    rows: u64,
    body_len: u64,
) -> Result<(), Error> {
    if rows == 0 || group.columns().len() != leaf::COUNT || pages.len() != leaf::COUNT {
        return Err(corrupt("a row group is malformed"));
    }
    for (column, pages) in group.columns().iter().zip(pages) {
        let (mut position, end) =
            chunk_range(column).ok_or_else(|| corrupt("a column chunk is malformed"))?;
        let mut row = -1;
        for page in pages.page_locations() {
            let len = u64::try_from(page.compressed_page_size).unwrap_or(0);
            let start = u64::try_from(page.offset).unwrap_or(u64::MAX);
            let row_ordered = page.first_row_index > row && (row >= 0 || page.first_row_index == 0);
            if !row_ordered || start < position || len == 0 || start.saturating_add(len) > end {
                return Err(corrupt("the page index is malformed"));
            }
            position = start + len;
            row = page.first_row_index;
        }
        if row < 0 || row.unsigned_abs() >= rows || end > body_len {
            return Err(corrupt("the page index is malformed"));
        }
    }
    Ok(())
}

/// Where a column chunk begins and ends.
pub(crate) fn chunk_range(column: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let start = u64::try_from(start).ok()?;
    let len = u64::try_from(column.compressed_size()).ok()?;
    Some((start, start.checked_add(len)?))
}
