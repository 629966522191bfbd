//! What happens to a batch before it is queued: checks, recompression, stamping.
//!
//! What takes no longer than handing it to a CPU worker and back does (two wake-ups of threads, some
//! tens of microseconds) is checked where the request was read; anything more goes to the workers. A
//! small compressed batch can still be a large one inside, so compressed bytes weigh more.

use bytes::Bytes;
use tidemill_records::{
    BatchFacts, Compression, Error as RecordError, ErrorKind as RecordErrorKind, Limits, RecordBatch,
    TimestampType, batch_from_section_at, restamp_log_append_time, validate_produce,
};

use super::Confirmed;
use crate::error::{Error, ErrorKind};
use crate::partition::Partition;
use crate::producer_ids::ProducerIdentity;
use crate::topics::TopicConfig;

/// Effort up to which a request is checked on the thread that read it: 128 KiB of plain records.
pub(super) const INLINE_EFFORT: usize = 128 << 10;
/// How much more a compressed byte weighs than a plain one.
const COMPRESSED_WEIGHT: usize = 64;
/// Largest records section of one batch after decompression.
const MAX_UNCOMPRESSED_BYTES: usize = 64 << 20;

/// One partition's records, to be checked.
pub(super) struct Job {
    target: Partition,
    records: Bytes,
    /// Whether the request names a transactional id.
    in_transaction: bool,
}

/// A batch that may be queued.
pub(super) struct Checked {
    pub(super) batch: RecordBatch,
    /// The broker's timestamp in it, if the topic uses LogAppendTime.
    pub(super) stamp_ms: Option<i64>,
    /// The broker's clock when it was checked.
    pub(super) now_ms: i64,
    /// The transaction it goes into, once that is confirmed.
    pub(super) of: Option<Confirmed>,
}

impl Checked {
    pub(super) fn size_bytes(&self) -> u64 {
        self.batch.size_bytes() as u64
    }

    /// Whose transaction the batch belongs to, if any.
    pub(super) fn transactional_producer(&self) -> Option<ProducerIdentity> {
        let header = self.batch.header();
        self.batch.is_transactional().then_some(ProducerIdentity {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
        })
    }

    pub(super) fn record_count(&self) -> u64 {
        u64::try_from(self.batch.record_count()).unwrap_or(0)
    }
}

impl Job {
    pub(super) fn new(target: Partition, records: Bytes, in_transaction: bool) -> Self {
        Self { target, records, in_transaction }
    }

    /// Roughly how long checking takes, in plain bytes.
    pub(super) fn effort(&self) -> usize {
        /// Where the low byte of a batch's attributes is.
        const ATTRIBUTES: usize = 22;
        let config = &self.target.topic.config;
        let codec = self.records.get(ATTRIBUTES).map_or(0, |attributes| attributes & 7);
        let converts = config.compression.is_some_and(|wanted| wanted.id() != i16::from(codec));
        let weight = if codec != 0 || converts { COMPRESSED_WEIGHT } else { 1 };
        self.records.len().saturating_mul(weight)
    }

    /// Checks the batch as deep as Kafka does, and makes it what the topic stores.
    pub(super) fn run(self, now_ms: i64) -> Result<(Partition, Checked), Error> {
        let config = &self.target.topic.config;
        if self.records.is_empty() {
            return Err(Error::new(ErrorKind::InvalidRecord, "there is no record batch"));
        }
        let batch = RecordBatch::parse(self.records)?;
        if batch.is_transactional() && !self.in_transaction {
            let message = "records of a transaction without a transactional id";
            return Err(Error::new(ErrorKind::TransactionalIdAuthorizationFailed, message));
        }
        let mut batch = validate_produce(&batch, &limits(config, now_ms))?.batch;
        if let Some(wanted) = config.compression.filter(|wanted| *wanted != batch.compression()) {
            batch = recompress(&batch, wanted, config)?;
        }
        let stamp_ms = (config.timestamp_type == TimestampType::LogAppendTime).then_some(now_ms);
        if let Some(stamp_ms) = stamp_ms {
            batch = restamp_log_append_time(&batch, stamp_ms);
        }
        Ok((self.target, Checked { batch, stamp_ms, now_ms, of: None }))
    }
}

fn limits(config: &TopicConfig, now_ms: i64) -> Limits {
    Limits {
        max_batch_bytes: usize::try_from(config.max_message_bytes).unwrap_or(0),
        max_uncompressed_bytes: MAX_UNCOMPRESSED_BYTES,
        now_ms,
        timestamp_type: config.timestamp_type,
        timestamp_before_max_ms: config.timestamp_before_max_ms,
        timestamp_after_max_ms: config.timestamp_after_max_ms,
        requires_key: config.cleanup.compact,
    }
}

fn recompress(batch: &RecordBatch, wanted: Compression, config: &TopicConfig) -> Result<RecordBatch, Error> {
    let level = match wanted {
        Compression::Gzip => config.gzip_level,
        Compression::Zstd => Some(config.zstd_level),
        _ => None,
    };
    let section = batch.uncompressed_records(MAX_UNCOMPRESSED_BYTES)?;
    Ok(batch_from_section_at(&BatchFacts::from(batch.header()), &section, wanted, level)?)
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Self {
        let kind = match (&error, error.kind()) {
            (RecordError::OldMagic(_), _) => ErrorKind::UnsupportedForMessageFormat,
            (_, RecordErrorKind::CorruptMessage) => ErrorKind::CorruptMessage,
            (_, RecordErrorKind::MessageTooLarge) => ErrorKind::MessageTooLarge,
            (_, RecordErrorKind::InvalidTimestamp) => ErrorKind::InvalidTimestamp,
            (_, RecordErrorKind::UnsupportedCompressionType) => ErrorKind::UnsupportedCompressionType,
            _ => ErrorKind::InvalidRecord,
        };
        Error::new(kind, error.to_string())
    }
}
