//! The server over real connections to a real broker. One program for all: each would link the broker, with the WebAssembly
//! runtime and the archive in it, once more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is how a test fails"
)]

mod admin;
mod client;
mod client_metrics;
mod conversations;
mod every_version;
mod features;
mod fetch_sessions;
mod hostile_frames;
mod limits;
mod quotas;
mod slow_clients;
mod transactions;
