//! What is asked of the log, and who is told how it went.

use std::collections::VecDeque;
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

/// Entries that are placed together, one after another, and who waits for each.
pub(super) type Appends = Vec<(Vec<EntryFrame>, Done)>;

/// The entries that wait before anything else, as far as they fit into what is written at once.
pub(super) struct Front<'a> {
    waiting: &'a mut VecDeque<(Job, Done)>,
    jobs: usize,
    /// Of their frames.
    pub(super) bytes: usize,
    /// None if there are none.
    pub(super) first_index: Option<u64>,
}

impl Front<'_> {
    pub(super) fn of(waiting: &mut VecDeque<(Job, Done)>, most_bytes: usize) -> Front<'_> {
        let (mut jobs, mut bytes, mut first_index) = (0, 0, None);
        for (job, _) in waiting.iter() {
            let Job::Append(entries) = job else { break };
            let further = frame_bytes(entries);
            if bytes + further > most_bytes {
                break;
            }
            first_index = first_index.or(entries.first().map(|entry| entry.log_id.index));
            bytes += further;
            jobs += 1;
        }
        Front { waiting, jobs, bytes, first_index }
    }

    /// Takes them from those that wait.
    pub(super) fn take(self) -> Appends {
        let appends = self.waiting.drain(..self.jobs).filter_map(|(job, done)| match job {
            Job::Append(entries) => Some((entries, done)),
            _ => None,
        });
        appends.collect()
    }
}

pub(super) fn frame_bytes(entries: &[EntryFrame]) -> usize {
    entries.iter().map(EntryFrame::frame_bytes).sum()
}
