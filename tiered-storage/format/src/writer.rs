//! Writing an object: batches in, a Parquet file out, one row group in memory at a time.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression as ParquetCompression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;
use tidemill_records::{RecordBatch, Records};
use uuid::Uuid;

use crate::checked_write::CheckedWrite;
use crate::error::Error;
use crate::row_buffer::RowBuffer;
use crate::row_group::{RowGroup, file_properties, parquet_schema};
use crate::schema::MICROS_PER_MILLI;
use crate::side_stream::{SideWriter, put_odd_header_key};
use crate::summary::{ObjectSummary, SummaryBuilder};
use crate::table::{BatchEntry, FORMAT_VERSION, Kind, Shape, TableBuilder};
use crate::value_writer::ValueWriter;
use crate::varint::put_signed;

/// Footer metadata keys.
pub(crate) mod meta {
    /// Format version of the object.
    pub(crate) const VERSION: &str = "tidemill.object.version";
    /// Position of the batch table.
    pub(crate) const TABLE_OFFSET: &str = "tidemill.batch_table.offset";
    /// Length of the batch table.
    pub(crate) const TABLE_LENGTH: &str = "tidemill.batch_table.length";
    /// Topic name.
    pub(crate) const TOPIC: &str = "tidemill.topic";
    /// Topic id.
    pub(crate) const TOPIC_ID: &str = "tidemill.topic_id";
    /// Partition number.
    pub(crate) const PARTITION: &str = "tidemill.partition";
}

/// More batches than this make the footer needlessly large; see [`ObjectWriter::is_full`].
const MAX_BATCHES: u64 = 1_000_000;
/// Parquet allows 32,767.
const MAX_ROW_GROUPS: usize = 30_000;

/// What the object is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// The topic's name.
    pub topic: String,
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
}

/// How the columns are compressed. Data that does not compress is stored as it is in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColumnCodec {
    /// zstd at level 1.
    #[default]
    Zstd,
    /// lz4: half again as large, faster to read.
    Lz4,
    /// No compression.
    None,
}

impl ColumnCodec {
    pub(crate) fn to_parquet(self) -> ParquetCompression {
        match self {
            ColumnCodec::Zstd => ParquetCompression::ZSTD(ZstdLevel::default()),
            ColumnCodec::Lz4 => ParquetCompression::LZ4_RAW,
            ColumnCodec::None => ParquetCompression::UNCOMPRESSED,
        }
    }
}

/// How objects are written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Compression of the columns.
    pub codec: ColumnCodec,
    /// A row group is closed at this many raw bytes. The writer holds one row group in memory.
    pub row_group_bytes: usize,
    /// Raw bytes of a page of values. zstd takes more than 128 KiB for a reason to use larger tables, which is slower.
    pub page_bytes: usize,
    /// A batch may not decompress to more than this.
    pub max_batch_bytes: usize,
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions {
            codec: ColumnCodec::Zstd,
            row_group_bytes: 32 << 20,
            page_bytes: 128 << 10,
            max_batch_bytes: 256 << 20,
        }
    }
}

/// Whom a batch's records are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Records every consumer may see. They become rows.
    Committed,
    /// Data of an aborted transaction; kept for consumers that read uncommitted data.
    Aborted {
        /// Where the transaction began, perhaps in an earlier object.
        first_offset: i64,
    },
    /// A control batch, such as a transaction marker.
    Control,
}

/// Writes one object. Push batches in offset order, then [`finish`](ObjectWriter::finish). Dropping
/// it half-way leaves an unreadable file.
pub struct ObjectWriter<W: Write + Send> {
    facts: ObjectFacts,
    options: WriterOptions,
    file: SerializedFileWriter<CheckedWrite<W>>,
    rows: RowBuffer,
    values: ValueWriter,
    group: Option<RowGroup>,
    side: SideWriter,
    table: TableBuilder,
    summary: SummaryBuilder,
    first_row: u64,
    deltas: Vec<i64>,
}

impl<W: Write + Send> ObjectWriter<W> {
    /// Begins an object.
    pub fn new(facts: ObjectFacts, options: WriterOptions, out: W) -> Result<Self, Error> {
        let properties = Arc::new(file_properties());
        let file = SerializedFileWriter::new(CheckedWrite::new(out), parquet_schema()?, properties)?;
        let rows = RowBuffer::new(facts.partition, options.page_bytes);
        let values = ValueWriter::new(options.codec, options.page_bytes)?;
        Ok(ObjectWriter {
            facts,
            options,
            file,
            rows,
            values,
            group: None,
            side: SideWriter::default(),
            table: TableBuilder::default(),
            summary: SummaryBuilder::default(),
            first_row: 0,
            deltas: Vec::new(),
        })
    }

    /// Raw record bytes so far; what `segment.bytes` is compared with.
    pub fn raw_bytes(&self) -> u64 {
        self.summary.raw_bytes()
    }

    /// Batches so far.
    pub fn batch_count(&self) -> u64 {
        self.table.batch_count()
    }

    /// Whether the object should be finished although it may be small: it has very many batches.
    pub fn is_full(&self) -> bool {
        self.table.batch_count() >= MAX_BATCHES || self.file.flushed_row_groups().len() >= MAX_ROW_GROUPS
    }

    /// Adds the next batch, after checking its CRC: it may be the last copy.
    pub fn push(&mut self, batch: &RecordBatch, disposition: Disposition) -> Result<(), Error> {
        batch.verify_crc()?;
        let reject =
            |reason: &str| Error::Rejected { offset: batch.base_offset(), reason: reason.to_owned() };
        if batch.is_control() != matches!(disposition, Disposition::Control) {
            return Err(reject("its control bit disagrees with its disposition"));
        }
        if batch.base_offset() < 0 || !self.summary.follows(batch) {
            return Err(reject("offsets do not go up"));
        }
        let section = batch.uncompressed_records(self.options.max_batch_bytes)?;
        let mut entry = entry_of(batch, &section)?;
        let side_before = self.side.position();
        match disposition {
            Disposition::Committed => {
                entry.shape = self.push_rows(batch, &section)?;
            }
            Disposition::Aborted { first_offset } => {
                entry.kind = Kind::Aborted;
                entry.transaction_start = first_offset.clamp(0, entry.base_offset);
                self.side.bytes().extend_from_slice(&section);
            }
            Disposition::Control => {
                entry.kind = Kind::Control;
                self.side.bytes().extend_from_slice(&section);
            }
        }
        entry.side_bytes = u32::try_from(self.side.position() - side_before)
            .map_err(|_| reject("it is too large for the side stream"))?;
        self.first_row += entry.rows();
        self.summary.add(&entry, section.len() as u64);
        self.table.push(entry)?;
        self.side.close_block_if_due(&mut self.file, &mut self.table)?;
        let raw = self.group.as_ref().map_or(0, RowGroup::raw_bytes);
        if raw + self.rows.raw_bytes() >= self.options.row_group_bytes {
            self.close_row_group()?;
        }
        Ok(())
    }

    fn push_rows(&mut self, batch: &RecordBatch, section: &Bytes) -> Result<Shape, Error> {
        let header = batch.header();
        let mut shape = Shape { flat_times: true, dense: true, ..Shape::default() };
        let mut exact_times = true;
        let mut odd_keys = Vec::new();
        let mut last_delta = -1;
        self.deltas.clear();
        self.rows.begin_section(section);
        for (index, record) in Records::new(section, header.record_count).enumerate() {
            let record = record?;
            if record.offset_delta <= last_delta || record.offset_delta > header.last_offset_delta {
                let reason = format!("record {index} has offset delta {}", record.offset_delta);
                return Err(Error::Rejected { offset: header.base_offset, reason });
            }
            last_delta = record.offset_delta;
            shape.dense &= i64::from(record.offset_delta) == index as i64;
            shape.flat_times &= record.timestamp_delta == 0;
            shape.keys |= record.key.is_some();
            shape.headers |= !record.headers.is_empty();
            self.deltas.push(record.timestamp_delta);
            let timestamp = header.timestamp(record.timestamp_delta);
            let (micros, held) = to_micros(timestamp);
            exact_times &= held && timestamp.wrapping_sub(header.base_timestamp) == record.timestamp_delta;
            self.summary.see_timestamp(timestamp);
            let offset = header.base_offset.wrapping_add(i64::from(record.offset_delta));
            self.rows.push(&record, offset, micros, &mut |odd| odd_keys.push((index, odd)));
            self.values.push(record.value)?;
            if self.rows.is_full() {
                self.flush_rows()?;
            }
        }
        shape.side_times = !shape.flat_times && !exact_times;
        shape.side_header_keys = !odd_keys.is_empty();
        if shape.side_times {
            self.deltas.iter().for_each(|delta| put_signed(self.side.bytes(), *delta));
        }
        for (record, odd) in odd_keys {
            put_odd_header_key(self.side.bytes(), record, odd.header, odd.key);
        }
        Ok(shape)
    }

    /// Moves buffered rows into the open row group, opening one if needed.
    fn flush_rows(&mut self) -> Result<(), Error> {
        if self.rows.rows() == 0 {
            return Ok(());
        }
        let rows = self.rows.take()?;
        let mut group = match self.group.take() {
            Some(group) => group,
            None => RowGroup::open(&self.options, &rows)?,
        };
        group.write(&rows)?;
        self.group = Some(group);
        Ok(())
    }

    fn close_row_group(&mut self) -> Result<(), Error> {
        self.flush_rows()?;
        match self.group.take() {
            Some(group) => group.close(&mut self.values, &mut self.file),
            None => Ok(()),
        }
    }

    /// Writes what is left, the batch table and the Parquet footer. The output is flushed, not synced.
    pub fn finish(mut self) -> Result<ObjectSummary, Error> {
        self.close_row_group()?;
        self.side.close_block(&mut self.file, &mut self.table)?;
        self.file.flush()?;
        let body_len = self.file.inner().len();
        let crc32c = self.file.inner().crc32c();
        let block_crcs = self.file.inner().block_crcs();
        let batch_count = self.table.batch_count();
        let table = self.table.finish(crc32c, &block_crcs)?;
        self.file.write_all(&table)?;
        let facts = [
            (meta::VERSION, FORMAT_VERSION.to_string()),
            (meta::TABLE_OFFSET, body_len.to_string()),
            (meta::TABLE_LENGTH, table.len().to_string()),
            (meta::TOPIC, self.facts.topic),
            (meta::TOPIC_ID, self.facts.topic_id.to_string()),
            (meta::PARTITION, self.facts.partition.to_string()),
        ];
        for (key, value) in facts {
            self.file.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        self.file.finish()?;
        let written = self.file.inner();
        let footer_bytes = u32::try_from(written.len() - body_len)
            .map_err(|_| crate::error::corrupt("the footer is larger than 4 GiB"))?;
        Ok(self.summary.finish(self.first_row, batch_count, written.len(), written.crc32c(), footer_bytes))
    }
}

/// Everything of a batch's entry that its header tells.
fn entry_of(batch: &RecordBatch, section: &Bytes) -> Result<BatchEntry, Error> {
    let header = batch.header();
    let too_large = || Error::Rejected { offset: batch.base_offset(), reason: "it is too large".to_owned() };
    Ok(BatchEntry {
        base_offset: header.base_offset,
        last_offset_delta: header.last_offset_delta,
        record_count: header.record_count,
        base_timestamp: header.base_timestamp,
        max_timestamp: header.max_timestamp,
        attributes: header.attributes.bits(),
        leader_epoch: header.partition_leader_epoch,
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        size_bytes: u32::try_from(batch.size_bytes()).map_err(|_| too_large())?,
        section_bytes: u32::try_from(section.len()).map_err(|_| too_large())?,
        transaction_start: header.base_offset,
        ..BatchEntry::default()
    })
}

/// A millisecond timestamp in the column's unit, and whether the column holds it exactly.
fn to_micros(millis: i64) -> (i64, bool) {
    const LIMIT: i64 = i64::MAX / MICROS_PER_MILLI;
    let clamped = millis.clamp(-LIMIT, LIMIT);
    (clamped * MICROS_PER_MILLI, clamped == millis)
}
