//! The task that writes checkpoints behind apply, and lets log files go that nothing needs any more.
//!
//! It sleeps until something was applied, then for the checkpoint interval (or until enough was
//! applied), and so a journal that nobody writes to has no timer.

use std::sync::Arc;
use std::time::Duration;

use tidemill_wal::{FileUsage, LogId};
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::machine::Machine;
use crate::raft::Node;

/// How often the bytes applied are looked at while a checkpoint is coming up.
const LOOKS_PER_INTERVAL: u32 = 8;

/// Somebody wants a checkpoint.
struct Request {
    /// The last one: the task ends after it.
    last: bool,
    done: oneshot::Sender<Result<(), Error>>,
}

/// The way to the task. The task ends when this is dropped.
pub(crate) struct Checkpointer {
    requests: mpsc::Sender<Request>,
}

impl Checkpointer {
    /// Starts the task.
    pub(crate) fn start(task: Task) -> Checkpointer {
        let (requests, queue) = mpsc::channel(16);
        tokio::spawn(task.run(queue));
        Checkpointer { requests }
    }

    /// Writes a checkpoint now.
    pub(crate) async fn now(&self) -> Result<(), Error> {
        self.request(false).await
    }

    /// Writes the last checkpoint and ends the task.
    pub(crate) async fn finish(&self) {
        if let Err(error) = self.request(true).await {
            tracing::warn!(%error, "no checkpoint at the end; the log has what it lacks");
        }
    }

    async fn request(&self, last: bool) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        let stopped = || Error::Stopped("it was closed".into());
        self.requests.send(Request { last, done }).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// What the task works with.
pub(crate) struct Task {
    pub(crate) machine: Arc<Machine>,
    pub(crate) node: Node,
    /// Followers may still need what is not yet in the archive.
    pub(crate) has_followers: bool,
    pub(crate) interval: Duration,
    pub(crate) bytes: u64,
}

impl Task {
    async fn run(self, mut queue: mpsc::Receiver<Request>) {
        loop {
            let request = tokio::select! {
                request = queue.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
                () = self.due() => None,
            };
            let result = self.checkpoint().await;
            match request {
                Some(Request { last, done }) => {
                    let _ = done.send(result);
                    if last {
                        return;
                    }
                }
                None => {
                    if let Err(error) = result {
                        tracing::warn!(%error, "checkpoint failed; it will be tried again");
                    }
                }
            }
        }
    }

    /// Waits until something was applied, and then until it is time to write it down.
    async fn due(&self) {
        self.machine.applied_more.notified().await;
        for _ in 0..LOOKS_PER_INTERVAL {
            if self.machine.applied_bytes() >= self.bytes {
                return;
            }
            tokio::time::sleep(self.interval / LOOKS_PER_INTERVAL).await;
        }
    }

    async fn checkpoint(&self) -> Result<(), Error> {
        let machine = self.machine.clone();
        let written = blocking(move || machine.checkpoint()).await;
        let checkpointed = match written {
            Ok(Some(checkpointed)) => checkpointed,
            Ok(None) => return Ok(()),
            Err(error) => {
                if let Error::Stopped(reason) = &error {
                    self.machine.health.stop(reason.clone());
                } else {
                    // Nothing may be applied any more, and it still has to be written.
                    self.machine.applied_more.notify_one();
                    // Where room is what it lacks, files that the last one covers can make some.
                    if let Some(checkpointed) = self.machine.checkpointed() {
                        self.reclaim(checkpointed).await?;
                    }
                }
                return Err(error);
            }
        };
        self.reclaim(checkpointed).await
    }

    async fn reclaim(&self, checkpointed: LogId) -> Result<(), Error> {
        let purged = self.machine.wal.bounds().purged.map_or(0, |id| id.index);
        let files = self.machine.wal.usage().files;
        if let Some(index) = purgeable(&files, checkpointed.index, self.has_followers)
            && index > purged
        {
            self.node.purge(index).await;
        }
        let wal = self.machine.wal.clone();
        let reclaimed = blocking(move || wal.reclaim(checkpointed.index).map_err(Error::from)).await?;
        if reclaimed.deleted_files > 0 || reclaimed.relocated_bytes > 0 {
            tracing::debug!(?reclaimed, "log files reclaimed");
        }
        if reclaimed.held_files > 0 {
            // A reader held some of them: soon again, even if nothing more is applied.
            self.machine.applied_more.notify_one();
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(Error::Storage(e.to_string())))
}

/// The last entry that nobody has to read from the log again: all of it is in the checkpoint. The
/// newest file is left alone, so that an ordinary checkpoint costs no purge. Followers that lag
/// want entries as long as their batches are nowhere else.
fn purgeable(files: &[FileUsage], checkpointed: u64, has_followers: bool) -> Option<u64> {
    let (_, closed) = files.split_last()?;
    closed
        .iter()
        .take_while(|file| !has_followers || file.live_bytes == 0)
        .filter_map(|file| file.last_index)
        .take_while(|last| *last <= checkpointed)
        .last()
}
