//! What the transaction coordinator decides, as Kafka 4 does.
//!
//! Every function here looks at the state of a transactional id and at a request, and answers with
//! the state that has to be made durable, or with what to tell the client. No I/O, no clock, no
//! randomness: the broker reads the state, asks, proposes the new state by compare-and-set, and asks
//! again if another request was faster.
//!
//! ```text
//!              add                    end, or time is up            all markers written
//!   Empty ───────────────► Ongoing ─────────────────────► Prepare… ───────────────────► Complete…
//!     ▲                       ▲                                                            │
//!     │ init                  └───────────────────────────── add ──────────────────────────┤
//!     └────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! Once a Prepare state is durable the outcome is decided: whatever happens, markers are written to
//! all partitions and groups, then the Complete state.
//!
//! Clients of transaction version 1 keep their epoch from one transaction to the next. Those of
//! version 2 (KIP-890) get a new one at each end, so that whatever an earlier transaction left on
//! the wire is of an older epoch.
//!
//! ```
//! use tidemill_transactions::{Add, Identity, Init, InitRequest, add, init};
//!
//! let request = InitRequest { timeout_ms: 60_000, max_timeout_ms: 900_000, expected: None };
//! let Init::Put(state) = init(None, &request, Some(7), 1_000)? else { unreachable!() };
//! let who = Identity { producer_id: 7, producer_epoch: 0 };
//! let Add::Put(state) = add(Some(&state), who, 2, &[], &["readers".into()], 1_001)? else { unreachable!() };
//! assert_eq!(state.number, 1);
//! # Ok::<(), tidemill_transactions::Error>(())
//! ```

mod add;
mod end;
mod error;
mod init;
mod time;

use tidemill_state::TransactionState;

pub use add::{Add, add, confirm};
pub use end::{End, Ending, abort, complete, end, ending};
pub use error::Error;
pub use init::{Init, InitRequest, init};
pub use time::{is_expired, is_overdue};

/// A producer as clients name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
}

/// The epoch of a producer that has none.
const NO_EPOCH: i16 = -1;
/// The id of no producer.
const NO_ID: i64 = -1;
/// From this epoch on there is none left to give to a client: the last one is for fencing.
const EXHAUSTED: i16 = i16::MAX - 1;

/// The transaction version in which each transaction has its own epoch.
const EPOCH_PER_TRANSACTION: u8 = 2;

fn is_exhausted(state: &TransactionState) -> bool {
    state.producer_epoch >= EXHAUSTED
}
