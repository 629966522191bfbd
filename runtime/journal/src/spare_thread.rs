//! The thread that writes files for the log's next segments, a piece whenever one is due.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tidemill_wal::Wal;

use crate::Error;

/// Ends when this is dropped.
pub(crate) struct SpareThread {
    due: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl SpareThread {
    pub(crate) fn start(journal_id: u32, wal: Wal) -> Result<SpareThread, Error> {
        let (due, asked) = sync_channel(1);
        let spawned =
            std::thread::Builder::new().name(format!("spare-{journal_id}")).spawn(move || run(&wal, &asked));
        let thread = spawned
            .map_err(|e| Error::Storage(format!("cannot start the thread for spare segments: {e}")))?;
        Ok(SpareThread { due, thread })
    }

    /// Has what is due written, if the thread is not at it already.
    pub(crate) fn wake(&self) {
        let _ = self.due.try_send(());
    }

    /// Ends it, and waits until it has.
    pub(crate) fn end(self) {
        drop(self.due);
        let _ = self.thread.join();
    }
}

fn run(wal: &Wal, asked: &Receiver<()>) {
    while asked.recv().is_ok() {
        while wal.is_spare_due() {
            if let Err(error) = wal.write_spare() {
                tracing::warn!(%error, "no file was made for the next segment; writing is slower without one");
                break;
            }
        }
    }
}
