//! Whether a journal can take writes: yes, not now, or never again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Error;

/// Shared by everything that writes or wants to.
#[derive(Default)]
pub(crate) struct Health {
    fatal: OnceLock<String>,
    is_stalled: AtomicBool,
    stalled: Mutex<String>,
    closing: AtomicBool,
    /// Wakes the proposer when any of the above has changed.
    pub(crate) changed: Notify,
}

impl Health {
    /// The journal has stopped for good; the first reason given is the one that is reported.
    pub(crate) fn stop(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.fatal.set(reason.clone()).is_ok() {
            tracing::error!(reason, "journal stopped");
        }
        self.changed.notify_one();
    }

    /// Why the journal has stopped, if it has.
    pub(crate) fn stopped(&self) -> Option<&str> {
        self.fatal.get().map(String::as_str)
    }

    /// Somebody asked the journal to end.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Whether the journal is to end.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Writes fail and are being tried again.
    pub(crate) fn stall(&self, reason: String) {
        *self.stalled.lock() = reason;
        self.is_stalled.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Writes work again.
    pub(crate) fn recovered(&self) {
        if self.is_stalled.swap(false, Ordering::AcqRel) {
            tracing::info!("the disk takes writes again");
            self.changed.notify_one();
        }
    }

    /// Why writes fail at the moment, if they do.
    pub(crate) fn stalled(&self) -> Option<String> {
        self.is_stalled.load(Ordering::Acquire).then(|| self.stalled.lock().clone())
    }

    /// What stands in the way of a new command, if anything does.
    pub(crate) fn refusal(&self) -> Option<Error> {
        if let Some(reason) = self.stopped() {
            return Some(Error::Stopped(reason.to_owned()));
        }
        if self.is_closing() {
            return Some(Error::Stopped("it was closed".into()));
        }
        self.stalled().map(Error::DiskFull)
    }
}
