//! What a journal's entries say and what they build: commands, deterministic apply, checkpoints.
//!
//! - [`Command`] and [`Outcome`]: what can be changed, and what became of it.
//! - [`encode_entry`] / [`decode_entry`]: a list of commands as the payload of one log entry.
//! - [`State`]: the state machine. [`State::apply`] is a pure function of state, position and
//!   command: no clock, no randomness, no other journal.
//! - [`CheckpointStore`]: what changed since the last checkpoint, written behind apply as one
//!   durable transaction; and [`State::export`] / [`State::import`], the same rows as one stream.
//!
//! ```
//! use tidemill_state::{ApplyContext, Command, MetadataCommand, Outcome, State};
//! use tidemill_state::{decode_entry, encode_entry};
//!
//! let allocate = Command::Metadata(MetadataCommand::AllocateProducerIds { count: 1_000 });
//! let entry = encode_entry(&[allocate])?;
//! let payload = entry.parts.concat().into(); // a journal writes the parts as they are
//!
//! let mut state = State::new();
//! let context = ApplyContext { log_index: 1, term: 1 };
//! for command in decode_entry(payload)?.commands {
//!     assert_eq!(state.apply(&context, &command).outcome, Outcome::ProducerIds { first: 0 });
//! }
//! let elsewhere = State::import(&state.export()?)?;
//! assert_eq!(elsewhere.metadata().next_producer_id(), 1_000);
//! # Ok::<(), tidemill_state::Error>(())
//! ```

mod append;
mod bounded;
mod checkpoint;
mod command;
mod effect;
mod entry;
mod error;
mod features;
mod functions;
mod group_transactions;
mod groups;
pub mod limits;
mod markers;
mod metadata;
mod outbox;
mod partition;
mod producers;
mod row_key;
mod rows;
mod settings;
mod snapshot;
mod state;
mod transaction_commands;
mod transactions;
mod unstable;

pub use checkpoint::{Changes, Checkpoint, CheckpointStore, LogPosition};
pub use command::*;
pub use effect::{BatchAppended, Effect, MetadataChange};
pub use entry::{DecodedEntry, EncodedEntry, Extents, decode_entry, encode_entry};
pub use error::Error;
pub use functions::FunctionState;
pub use groups::{CommittedOffset, GroupState};
pub use metadata::Metadata;
pub use outbox::Outbox;
pub use partition::{LeaderEpoch, PartitionState};
pub use producers::ProducerSummary;
pub use state::{Applied, ApplyContext, State};
pub use transaction_commands::*;
pub use unstable::AbortedTransaction;
