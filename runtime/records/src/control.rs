//! Control batches: the broker's own records among a partition's, which no consumer is shown.
//!
//! ```text
//! key:   version i16 (0) | type i16 (0 abort, 1 commit)
//! value: version i16 (0) | coordinator_epoch i32          of an end-of-transaction marker
//! ```

use bytes::Buf;

use crate::batch::RecordBatch;
use crate::builder::{BatchBuilder, BatchFacts};
use crate::compression::Compression;
use crate::error::Error;
use crate::record::Records;

const TYPE_ABORT: i16 = 0;
const TYPE_COMMIT: i16 = 1;
/// A control record is tiny; ours are never compressed.
const MAX_CONTROL_BYTES: usize = 64 * 1024;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionResult {
    /// Its records count.
    Commit,
    /// Its records don't count.
    Abort,
}

/// An end-of-transaction marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransaction {
    /// How it ended.
    pub result: TransactionResult,
    /// Epoch of the transaction coordinator.
    pub coordinator_epoch: i32,
}

/// What a control record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// A transaction ended.
    EndTransaction(EndTransaction),
    /// A type this version does not know; readers step over it.
    Other(i16),
}

/// The marker batch that ends a producer's transaction in one partition.
pub fn end_transaction_batch(
    producer_id: i64,
    producer_epoch: i16,
    marker: EndTransaction,
    timestamp_ms: i64,
) -> Result<RecordBatch, Error> {
    let record_type = match marker.result {
        TransactionResult::Commit => TYPE_COMMIT,
        TransactionResult::Abort => TYPE_ABORT,
    };
    let mut key = [0u8; 4];
    key[2..].copy_from_slice(&record_type.to_be_bytes());
    let mut value = [0u8; 6];
    value[2..].copy_from_slice(&marker.coordinator_epoch.to_be_bytes());
    let facts = BatchFacts {
        base_timestamp: timestamp_ms,
        producer_id,
        producer_epoch,
        is_transactional: true,
        is_control: true,
        ..BatchFacts::default()
    };
    BatchBuilder::new(facts).push(0, 0, Some(&key), Some(&value), &[]).build(Compression::None)
}

/// Reads a control batch. It has exactly one record.
pub fn parse_control_batch(batch: &RecordBatch) -> Result<ControlRecord, Error> {
    if !batch.is_control() || batch.record_count() != 1 {
        return Err(invalid("it is not a control batch of one record"));
    }
    let section = batch.uncompressed_records(MAX_CONTROL_BYTES)?;
    let mut records = Records::new(&section, 1);
    let record = records.next().ok_or_else(|| invalid("its record is missing"))??;
    if let Some(trailing) = records.next() {
        trailing?;
    }
    let mut key = record.key.unwrap_or_default();
    if key.len() < 4 || key.get_i16() < 0 {
        return Err(invalid("its key is no control key"));
    }
    let result = match key.get_i16() {
        TYPE_ABORT => TransactionResult::Abort,
        TYPE_COMMIT => TransactionResult::Commit,
        other => return Ok(ControlRecord::Other(other)),
    };
    let mut value = record.value.unwrap_or_default();
    if value.len() < 6 || value.get_i16() < 0 {
        return Err(invalid("its value is no end-of-transaction marker"));
    }
    Ok(ControlRecord::EndTransaction(EndTransaction { result, coordinator_epoch: value.get_i32() }))
}

fn invalid(reason: &str) -> Error {
    Error::InvalidHeader(format!("invalid control batch: {reason}"))
}
