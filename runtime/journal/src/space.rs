//! Whether the disk has room for another entry, asked before it is proposed.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tidemill_disk::Disk;
use tidemill_state::Command;
use tidemill_wal::Wal;

/// How much may be proposed before the log is asked again how large it is.
const RECOUNT_BYTES: u64 = 4 << 20;

/// Watches one journal's room.
pub(crate) struct Space {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    wal: Wal,
    reserve_bytes: u64,
    wal_bytes: u64,
    counted: Mutex<Counted>,
}

/// The log's size when it was last asked for, and what was proposed since.
struct Counted {
    log_bytes: u64,
    since_bytes: u64,
}

/// There is too little room.
#[derive(Debug)]
pub(crate) struct Shortage {
    /// In words.
    pub(crate) reason: String,
    /// Commands that make room can still go on.
    pub(crate) reserve_left: bool,
}

impl Space {
    /// Keeps `reserve_bytes` of the file system free and the log below `wal_bytes`.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        wal: Wal,
        reserve_bytes: u64,
        wal_bytes: u64,
    ) -> Space {
        let counted = Mutex::new(Counted { log_bytes: 0, since_bytes: u64::MAX });
        Space { disk, dir, wal, reserve_bytes, wal_bytes, counted }
    }

    /// Looks whether `bytes` more fit, with the reserve untouched. Files that only wait to become
    /// segments go first.
    pub(crate) fn check(&self, bytes: u64) -> Result<(), Shortage> {
        let checked = self.look(bytes);
        if checked.is_err() && self.wal.give_up_spares().unwrap_or(false) {
            self.counted.lock().since_bytes = u64::MAX;
            return self.look(bytes);
        }
        checked
    }

    fn look(&self, bytes: u64) -> Result<(), Shortage> {
        let log_bytes = self.log_bytes(bytes);
        if log_bytes > self.wal_bytes {
            let reason =
                format!("hot data takes {log_bytes} of {} bytes; it waits to be archived", self.wal_bytes);
            return Err(Shortage { reason, reserve_left: true });
        }
        let free = match self.disk.free_bytes(&self.dir) {
            Ok(free) => free,
            Err(error) => {
                let reason = format!("free space unknown: {error}");
                return Err(Shortage { reason, reserve_left: true });
            }
        };
        if free >= self.reserve_bytes.saturating_add(bytes) {
            return Ok(());
        }
        // A quarter of the reserve is for what is not an entry: checkpoints, relocation, votes.
        let reserve_left = free >= (self.reserve_bytes / 4).saturating_add(bytes);
        let reason = format!("{free} bytes free, {} of them kept in reserve", self.reserve_bytes);
        Err(Shortage { reason, reserve_left })
    }

    /// The log's size with `bytes` more. Adding up all files costs, so it is done now and then, and
    /// whenever the answer would be no.
    fn log_bytes(&self, bytes: u64) -> u64 {
        let mut counted = self.counted.lock();
        counted.since_bytes = counted.since_bytes.saturating_add(bytes);
        let estimate = counted.log_bytes.saturating_add(counted.since_bytes);
        if counted.since_bytes <= RECOUNT_BYTES && estimate <= self.wal_bytes {
            return estimate;
        }
        *counted = Counted { log_bytes: self.wal.usage().total_bytes, since_bytes: bytes };
        counted.log_bytes.saturating_add(bytes)
    }
}

/// Whether a command may use the reserve: those that lead to room being made, or are so small that
/// refusing them would only break things. Everything that carries records may not.
pub(crate) fn makes_room(command: &Command) -> bool {
    !matches!(
        command,
        Command::Append(_)
            | Command::AppendTransactional(_)
            | Command::FunctionProgress(_)
            | Command::AcceptOutbox(_)
    )
}
