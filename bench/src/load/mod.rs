//! The load: one blocking client for every broker, which costs little CPU and measures in microseconds.

pub mod consume;
pub mod latency;
pub mod paced;
pub mod produce;
pub mod saturate;
pub mod wire;
