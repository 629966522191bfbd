//! Judges the broker by what its clients saw, the way Jepsen's Kafka workload does.
//!
//! 1. A [`history`]: every operation of every client with the moment it was invoked, the moment it
//!    completed, and what came of it (done, failed, or unknown), as JSON lines on disk.
//! 2. A [`workload`] that makes one: clients of librdkafka (and raw ones, where only those can do
//!    it) produce, commit and abort transactions, copy exactly once, poll, seek, rebalance, are
//!    replaced and fenced, while the broker is killed and topics are sealed.
//! 3. [`checks`]: pure functions from a history to [`Anomaly`]s, one file per family.
//!
//! What a check may conclude: an operation of unknown outcome may have happened or not, but all of
//! it or nothing. A transaction whose commit nobody asked for cannot be committed; one whose commit
//! was asked for and not answered counts as committed as soon as a committed reader saw part of it.
//! Only the order of the history's lines counts: an operation whose completion stands before the
//! invocation of another happened before it.

mod anomaly;
pub mod checks;
pub mod history;
mod index;
mod report;
pub mod workload;

pub use anomaly::Anomaly;
pub use index::Index;
pub use report::Report;
