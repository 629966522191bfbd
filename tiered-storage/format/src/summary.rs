//! What a finished object amounts to: the facts its manifest entry needs.

use tidemill_records::RecordBatch;

use crate::table::BatchEntry;

/// Facts of a finished object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSummary {
    /// Base offset of the first batch; -1 if there is none.
    pub base_offset: i64,
    /// Last offset of the last batch; -1 if there is none.
    pub last_offset: i64,
    /// Rows in the columns: committed records.
    pub row_count: u64,
    /// Batches of all kinds.
    pub batch_count: u64,
    /// Bytes of the batches' record sections before compression.
    pub raw_bytes: u64,
    /// Smallest timestamp of a row in milliseconds, or -1.
    pub min_timestamp_ms: i64,
    /// Largest timestamp of a row in milliseconds, or -1.
    pub max_timestamp_ms: i64,
    /// Leader epochs in the object, each with its first offset here, in order.
    pub leader_epochs: Vec<(i32, i64)>,
    /// Length of the object in bytes.
    pub length_bytes: u64,
    /// CRC-32C of the whole object.
    pub crc32c: u32,
    /// From the batch table to the end: what a reader should fetch first.
    pub footer_bytes: u32,
}

/// Gathers an [`ObjectSummary`].
#[derive(Default)]
pub(crate) struct SummaryBuilder {
    offsets: Option<(i64, i64)>,
    raw_bytes: u64,
    timestamps: Option<(i64, i64)>,
    leader_epochs: Vec<(i32, i64)>,
}

impl SummaryBuilder {
    /// Whether the batch's offsets come after everything so far.
    pub(crate) fn follows(&self, batch: &RecordBatch) -> bool {
        self.offsets.is_none_or(|(_, last)| batch.base_offset() > last)
    }

    /// Raw bytes so far.
    pub(crate) fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// Takes a row's timestamp into account.
    pub(crate) fn see_timestamp(&mut self, timestamp: i64) {
        let (min, max) = self.timestamps.unwrap_or((timestamp, timestamp));
        self.timestamps = Some((min.min(timestamp), max.max(timestamp)));
    }

    /// Takes a batch into account.
    pub(crate) fn add(&mut self, entry: &BatchEntry, section_bytes: u64) {
        let first = self.offsets.map_or(entry.base_offset, |(first, _)| first);
        self.offsets = Some((first, entry.last_offset()));
        self.raw_bytes += section_bytes;
        if self.leader_epochs.last().is_none_or(|(epoch, _)| *epoch != entry.leader_epoch) {
            self.leader_epochs.push((entry.leader_epoch, entry.base_offset));
        }
    }

    /// The summary of a file of this size.
    pub(crate) fn finish(
        self,
        row_count: u64,
        batch_count: u64,
        length_bytes: u64,
        crc32c: u32,
        footer_bytes: u32,
    ) -> ObjectSummary {
        let (base_offset, last_offset) = self.offsets.unwrap_or((-1, -1));
        let (min_timestamp_ms, max_timestamp_ms) = self.timestamps.unwrap_or((-1, -1));
        ObjectSummary {
            base_offset,
            last_offset,
            row_count,
            batch_count,
            raw_bytes: self.raw_bytes,
            min_timestamp_ms,
            max_timestamp_ms,
            leader_epochs: self.leader_epochs,
            length_bytes,
            crc32c,
            footer_bytes,
        }
    }
}
