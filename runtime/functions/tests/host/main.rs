//! The host, with guests built the way a user builds them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod calls;
mod contained;
mod guests;
mod outbound;
mod receiver;
