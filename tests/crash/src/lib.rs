//! What the crash tests are made of: the real broker as a process, a workload that remembers what
//! it was told, and checks that compare the two.
//!
//! Everything random comes from one seed, printed at the start; `SEED=…` runs it again. The history
//! of a run (what was sent, acknowledged, and when the broker was killed) is written beside its data
//! directory, which is kept when a check fails.

pub mod checks;
pub mod committed;
pub mod copier;
pub mod groups;
pub mod history;
pub mod producer;
pub mod reader;
pub mod receiver;
pub mod transaction;
pub mod trial;
