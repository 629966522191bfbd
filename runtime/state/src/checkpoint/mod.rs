//! Checkpoints: what changed since the last one, and the store it goes to.

mod backend;
mod changes;
mod file;
mod store;

pub use changes::Changes;
pub use store::{Checkpoint, CheckpointStore, LogPosition};
