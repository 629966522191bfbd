//! The journal: a Raft group whose log is a write-ahead log that is also the hot store.
//!
//! ```text
//! submit ─► inbox (fair, bounded) ─► proposer: one entry ─► openraft ─► log store ─► WAL writer
//!                                                              │      (thread: write, fdatasync)
//!   outcome ◄──────────────── answer ◄── state machine: apply ◄┘ committed
//!                                          │  State, hot index, Listener
//!                                          └─► checkpointer: redb, then reclaim WAL files
//! ```
//! A command is answered after its entry is durable (on a majority, if there are several voters) and
//! applied. What was answered is never lost; what was refused with [`Error::OutcomeUnknown`] may yet
//! be committed, and every other refusal says that nothing was written.
//!
//! All types of openraft stay inside `raft/`; its traps are noted where they shaped the code.
//! `docs/decisions/2026-11-22-journal-on-openraft.md` says why it is built this way.

mod checkpoint;
mod durable;
mod entry;
mod error;
mod health;
mod hot;
mod journal;
mod listener;
mod machine;
mod open;
mod options;
mod proposer;
mod raft;
mod space;
mod spare_thread;
mod spare_worth;
mod standing;
mod transport;
mod turns;
mod writer;

pub use error::{Error, ReadError};
pub use journal::{Journal, Submitter};
pub use listener::Listener;
pub use options::{Options, Timing};
pub use proposer::Pending;
pub use standing::Standing;
pub use tidemill_wal::{DirectWrites, FileUsage, HotRead, Pin, TimestampHit, Usage, WalPartition};
pub use transport::{Reply, Transport};
