//! The broker core over real journals and a folder as bucket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is how a test fails"
)]

mod archive;
mod broker_configs;
mod client_quotas;
mod crash;
mod disk_full;
mod fetch;
mod fetch_sessions;
mod groups;
mod node;
mod offsets;
mod pressure;
mod produce;
mod producers;
mod read_ahead;
mod retention;
mod topic_configs;
mod topics;
mod transactions;
