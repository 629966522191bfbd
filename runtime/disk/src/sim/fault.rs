//! Planned misfortune: errors, delays and crashes.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Duration;

/// What can be made to fail or to be slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Creating a file.
    Create,
    /// Reading a file.
    Read,
    /// Writing to a file.
    Write,
    /// Changing a file's length or allocating space.
    SetLen,
    /// `sync_data`.
    Sync,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// `sync_dir`.
    SyncDir,
}

#[derive(Default)]
pub(super) struct Faults {
    pub(super) crashed: bool,
    pub(super) crash_at: Option<(&'static str, u64)>,
    pub(super) crash_after: Option<u64>,
    pub(super) planned: Vec<(Operation, u64, io::ErrorKind)>,
    pub(super) delays: HashMap<Operation, Duration>,
    pub(super) points: BTreeMap<&'static str, u64>,
}

/// What becomes of an operation that is about to happen.
pub(super) enum Fate {
    /// It happens.
    Done,
    /// It happens, perhaps in part, and the machine dies before the caller hears of it.
    DoneThenCrash,
    /// It fails with this error, perhaps having happened in part.
    Fails(io::Error),
}

impl Faults {
    /// Fails if the machine is gone.
    pub(super) fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(crashed()) } else { Ok(()) }
    }

    pub(super) fn clear(&mut self) {
        let points = std::mem::take(&mut self.points);
        *self = Faults { crashed: self.crashed, points, ..Faults::default() };
    }

    /// Decides about an operation.
    pub(super) fn fate(&mut self, operation: Operation) -> io::Result<Fate> {
        self.alive()?;
        let mut failure = None;
        self.planned.retain_mut(|(planned, countdown, kind)| {
            if *planned != operation {
                return true;
            }
            *countdown -= 1;
            if *countdown == 0 {
                failure = Some(io::Error::from(*kind));
            }
            *countdown > 0
        });
        if let Some(error) = failure {
            return Ok(Fate::Fails(error));
        }
        if operation != Operation::Read
            && let Some(countdown) = &mut self.crash_after
        {
            *countdown -= 1;
            if *countdown == 0 {
                self.crash_after = None;
                self.crashed = true;
                return Ok(Fate::DoneThenCrash);
            }
        }
        Ok(Fate::Done)
    }

    /// Passes a crash point.
    pub(super) fn pass(&mut self, name: &'static str) -> io::Result<()> {
        self.alive()?;
        *self.points.entry(name).or_default() += 1;
        if let Some((wanted, countdown)) = &mut self.crash_at
            && *wanted == name
        {
            *countdown -= 1;
            if *countdown == 0 {
                self.crash_at = None;
                self.crashed = true;
                return Err(crashed());
            }
        }
        Ok(())
    }
}

/// The error of every call after a crash.
pub(super) fn crashed() -> io::Error {
    io::Error::other("the simulated machine has crashed")
}
