//! The thread that writes files for the log's next segments, a piece whenever one is due and worth it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use tidemill_wal::Wal;

use crate::Error;
use crate::spare_worth::SpareWorth;

/// Ends when this is dropped.
pub(crate) struct SpareThread {
    wal: Wal,
    worth: Arc<SpareWorth>,
    due: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl SpareThread {
    pub(crate) fn start(journal_id: u32, wal: Wal) -> Result<SpareThread, Error> {
        let (due, asked) = sync_channel(1);
        let worth = Arc::new(SpareWorth::default());
        let writes = {
            let (wal, worth) = (wal.clone(), Arc::clone(&worth));
            move || run(&wal, &worth, &asked)
        };
        let spawned = std::thread::Builder::new().name(format!("spare-{journal_id}")).spawn(writes);
        let thread = spawned
            .map_err(|e| Error::Storage(format!("cannot start the thread for spare segments: {e}")))?;
        Ok(SpareThread { wal, worth, due, thread })
    }

    /// The log has synced so many bytes. Has what is due written, if the thread is not at it already.
    pub(crate) fn synced(&self, bytes: u64) {
        self.worth.synced(bytes);
        if self.worth.allows() && self.wal.is_spare_due() {
            let _ = self.due.try_send(());
        }
    }

    /// Ends it, and waits until it has.
    pub(crate) fn end(self) {
        drop(self.due);
        let _ = self.thread.join();
    }
}

fn run(wal: &Wal, worth: &SpareWorth, asked: &Receiver<()>) {
    while asked.recv().is_ok() {
        while worth.allows() && wal.is_spare_due() {
            let started = Instant::now();
            match wal.write_spare() {
                Ok(bytes) => worth.wrote(bytes, started.elapsed()),
                Err(error) => {
                    tracing::warn!(%error, "no file was made for the next segment; writing is slower without one");
                    break;
                }
            }
        }
    }
}
