//! What clients did and were told: the operations, writing them down, and reading them again.

mod operation;
mod read;
mod recorder;

pub use operation::{
    Answer, Call, Delivery, Isolation, Operation, Outcome, Partition, PartitionRecords, Positions, Record,
    Watermarks, by_partition,
};
pub use read::{read, read_from};
pub use recorder::{Open, Process, Recorder};
