//! The real broker as a process, for crash tests and measurements: starting and killing it, its
//! REST API, what the operating system says of it, and functions built as a user builds them.

pub mod guests;
mod process;
mod usage;

pub use process::{Broker, free_addresses};
pub use usage::Usage;
