//! The classic consumer group coordinator.
//!
//! Two layers. [`Group`] is a pure state machine: no clock, no randomness, no I/O. It is told what
//! a member asks and what time it is, and answers with [`Effect`]s (answer this waiting request,
//! store this snapshot) and with the time at which it wants to be looked at again. [`Coordinator`]
//! is the thin shell: it owns time, the waiting requests, and the [`GroupStore`] that makes offsets
//! and assignments durable (the broker implements it over the journal).
//!
//! An idle group costs its memory and nothing else: all groups of a coordinator share one sleeping
//! task, and it sleeps without a timer while no group has a deadline.
//!
//! ```
//! use std::sync::Arc;
//! use tidemill_groups::{Coordinator, JoinRequest, MemoryStore, Options};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let options = Options { initial_rebalance_delay_ms: 0, ..Options::default() };
//! let groups = Coordinator::start(Arc::new(MemoryStore::default()), options).await.unwrap();
//! let request = JoinRequest {
//!     group_id: "billing".into(),
//!     client_id: "app".into(),
//!     session_timeout_ms: 10_000,
//!     rebalance_timeout_ms: 60_000,
//!     protocol_type: "consumer".into(),
//!     protocols: vec![tidemill_groups::Protocol { name: "range".into(), metadata: bytes::Bytes::new() }],
//!     ..JoinRequest::default()
//! };
//! let joined = groups.join(request).await.unwrap();
//! assert_eq!(joined.leader, joined.member_id);
//! # }
//! ```

mod coordinator;
mod deadlines;
mod error;
mod group;
mod listing;
mod member;
mod memory_store;
mod offsets;
mod options;
mod requests;
mod snapshot;
mod store;
mod subscription;

pub use coordinator::Coordinator;
pub use error::Error;
pub use group::{Effect, Group, GroupState, Ticket};
pub use listing::{DescribedGroup, DescribedMember, ListedGroup};
pub use memory_store::MemoryStore;
pub use offsets::{CommitRequest, Expirable};
pub use options::Options;
pub use requests::{
    HeartbeatRequest, JoinRequest, Joined, JoinedMember, LeaveRequest, LeavingMember, LeftMember, Protocol,
    SyncRequest, Synced,
};
pub use snapshot::SnapshotError;
pub use store::{CommittedOffset, GroupStore, OffsetKey, StoreError, StoredGroup};
