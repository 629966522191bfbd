//! Bounded workers for what takes CPU: validation, decompression, sealing's encoding stays apart.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::{Error, ErrorKind};

/// Runs closures off the network threads, as many at a time as there are workers.
#[derive(Clone)]
pub(crate) struct CpuPool {
    slots: Arc<Semaphore>,
}

impl CpuPool {
    pub(crate) fn new(workers: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(workers.max(1))) }
    }

    /// Runs `work` when a worker is free, first come first served.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(slot);
            result
        });
        done.await
            .map_err(|error| Error::new(ErrorKind::UnknownServerError, format!("a worker failed: {error}")))
    }
}
