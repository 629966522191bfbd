//! The load: one blocking client for every broker, which costs little CPU and measures in microseconds.

pub mod consume;
pub mod coordinator;
pub mod latency;
pub mod member;
pub mod paced;
pub mod produce;
pub mod saturate;
pub mod transaction;
pub mod wire;
