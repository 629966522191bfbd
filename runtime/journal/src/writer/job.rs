//! What is asked of the log, and who is told how it went.

use std::io;

use tidemill_wal::{EntryFrame, LogId};

use crate::durable::Unsettled;

/// Told how a job went.
pub(crate) enum Done {
    /// Whoever asked for it.
    Call(Box<dyn FnOnce(io::Result<()>) + Send>),
    /// Whoever waits for entries to be on disk.
    Settle(Unsettled),
}

impl Done {
    pub(crate) fn call(tell: impl FnOnce(io::Result<()>) + Send + 'static) -> Done {
        Done::Call(Box::new(tell))
    }

    pub(super) fn tell(self, result: io::Result<()>) {
        match self {
            Done::Call(tell) => tell(result),
            Done::Settle(unsettled) => unsettled.settle(&result),
        }
    }

    /// Tells all of them, those who wait for entries with one wake-up.
    pub(super) fn tell_all(all: Vec<Done>, result: &Result<(), String>) {
        let result = || result.clone().map_err(io::Error::other);
        let mut unsettled: Option<Unsettled> = None;
        for done in all {
            match done {
                Done::Call(tell) => tell(result()),
                Done::Settle(further) => {
                    unsettled = Some(match unsettled.take() {
                        Some(before) => before.and(further),
                        None => further,
                    });
                }
            }
        }
        if let Some(unsettled) = unsettled {
            unsettled.settle(&result());
        }
    }
}

/// Something to be made durable, in order.
pub(crate) enum Job {
    /// Entries after the last one.
    Append(Vec<EntryFrame>),
    /// The vote.
    Vote(Vec<u8>),
    /// Entries from this index on go.
    Truncate(u64),
    /// Entries up to this one go.
    Purge(LogId),
    /// Entries that have their place, and whose write has to be repeated.
    WriteAgain,
}
