//! The records that all measurements use, and what is measured of codecs alone: without a broker,
//! a disk or a network.
//!
//! One list of [`TASKS`] serves two measurements: criterion takes their time (`cargo bench -p
//! tidemill-codec-bench`), and `codec-counts` runs one of them once for callgrind, which counts
//! instructions. The scenario `codecs` of `bench/run.sh` compares [`archive`] with raw codecs.

pub mod archive;
pub mod payload;
mod tasks;

pub use tasks::{TASKS, Task};
