//! Looking after the archive: when to seal, sealing, retention, clean-up, and what is there.
//!
//! One task (`scheduler`) for the whole broker. The journals tell it what grew ([`Housekeeping`]);
//! a pure state machine (`policy`) says what is due; `seal` does the I/O. An object counts from the
//! moment its commit is applied: a crash before leaves garbage that `cleanup` finds, a crash after
//! leaves hot bytes that the next start lets go of.

mod bucket;
mod cleanup;
mod disposition;
#[cfg(test)]
mod held_back_tests;
mod housekeeping;
mod policy;
mod pressure;
mod retention;
mod scheduler;
mod seal;
mod status;
mod verify;

pub(crate) use bucket::Bucket;
pub(crate) use housekeeping::Housekeeping;
pub(crate) use scheduler::run;
pub(crate) use seal::scratch_dir;
pub use status::{PartitionArchive, TopicArchive};
pub use verify::VerifyReport;
