//! The state machine from outside: its rules one by one, against models, and replayed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

mod checkpoint;
mod client_metrics;
mod control_plane;
mod determinism;
mod entry;
mod features;
mod fixtures;
mod functions;
mod golden;
mod offset_expiry;
mod partitions;
mod producers;
mod settings;
mod transactional_ids;
mod transactions;
