//! Fetching: hot and archived records through one interface, and waiting for what is not there yet.
//!
//! `partition_read` answers from the log while it still has the offset, from the archive when it no
//! longer does; a consumer cannot tell. A fetch that does not find `min_bytes` registers with
//! [`Waiters`] for its partitions and is woken by those only; each wake reads again only the
//! partitions that grew. Clients that fetch in a `session` name their partitions once. For a consumer that goes from front to back, `read_ahead` has the next piece ready.

mod poll;
pub(crate) mod read;
mod read_ahead;
mod reader;
mod session;
mod waiters;

use tidemill_records::RecordBatch;

use crate::error::Error;
use crate::offsets::EpochEnd;
use crate::topics::TopicRef;

/// A transaction whose records a read-committed consumer leaves out. Where it ends is not known of
/// archived ones: `i64::MAX`.
pub use tidemill_state::AbortedTransaction;

pub(crate) use read_ahead::ReadAhead;
pub(crate) use reader::Reader;
pub(crate) use session::Sessions;
pub use session::{SessionFetch, SessionFetched};
pub(crate) use waiters::Waiters;

/// Which records a consumer wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Everything up to the high watermark.
    #[default]
    ReadUncommitted,
    /// Up to the last stable offset, with the aborted transactions named.
    ReadCommitted,
}

/// A request for records.
#[derive(Clone, Debug, Default)]
pub struct FetchRequest {
    /// How long to wait for `min_bytes`.
    pub max_wait_ms: i32,
    /// How much is worth an answer.
    pub min_bytes: i32,
    /// How much may be answered, all partitions together; a first batch that is larger comes whole.
    pub max_bytes: i32,
    /// Which records.
    pub isolation: Isolation,
    /// From where, in order of preference.
    pub partitions: Vec<FetchPartition>,
}

/// What is wanted of one partition.
#[derive(Clone, Debug)]
pub struct FetchPartition {
    /// The topic.
    pub topic: TopicRef,
    /// The partition's number.
    pub partition: i32,
    /// The first offset.
    pub offset: i64,
    /// How much may be answered for this partition.
    pub max_bytes: i32,
    /// The leader epoch the client believes in, or -1.
    pub current_leader_epoch: i32,
    /// The epoch of the last record it has, or -1: then the answer says where its log is another.
    pub last_fetched_epoch: i32,
}

/// What one partition answered.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    /// The topic, as the request named it.
    pub topic: TopicRef,
    /// The partition's number.
    pub partition: i32,
    /// Where the log ends; -1 if that could not be found out.
    pub high_watermark: i64,
    /// Where committed records end, or -1.
    pub last_stable_offset: i64,
    /// First offset there is, or -1.
    pub log_start_offset: i64,
    /// The leader epoch now, or -1.
    pub leader_epoch: i32,
    /// Whole batches; the first contains the offset asked for and may begin before it.
    pub batches: Vec<RecordBatch>,
    /// Aborted transactions with records among the batches (read committed).
    pub aborted: Vec<AbortedTransaction>,
    /// Where the client's log and this one part ways, if it asked and they do.
    pub diverging: Option<EpochEnd>,
    /// What went wrong.
    pub error: Option<Error>,
}

impl FetchedPartition {
    fn failed(topic: TopicRef, partition: i32, error: Error) -> Self {
        Self {
            topic,
            partition,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            leader_epoch: -1,
            batches: Vec::new(),
            aborted: Vec::new(),
            diverging: None,
            error: Some(error),
        }
    }

    /// Bytes of its batches.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.batches.iter().map(RecordBatch::size_bytes).sum()
    }
}
