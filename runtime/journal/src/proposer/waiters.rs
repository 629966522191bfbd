//! Those who wait for the commands of one entry.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tidemill_state::Outcome;
use tokio::sync::oneshot;

use super::slots::Slot;
use crate::Error;

/// Where the outcome of one command goes.
pub(crate) type Waiter = oneshot::Sender<Result<Outcome, Error>>;

/// Why an entry was not decided, as far as this replica knows.
pub(crate) enum Failure {
    /// It was not, and will not be: another node leads.
    NotLeader(Option<u64>),
    /// It may have been, or may yet be.
    Unknown(String),
}

/// Those who wait for the commands of one entry, in the order of the commands. The entry counts as
/// in flight until it is decided or failed, even when nobody waits any more.
pub(crate) struct Waiters {
    slots: Mutex<Vec<Waiter>>,
    in_flight: Mutex<Option<Arc<Slot>>>,
}

impl Waiters {
    /// Those who wait, and what is held until the last of the entries that share it is decided.
    pub(crate) fn new(slots: Vec<Waiter>, in_flight: impl Into<Arc<Slot>>) -> Waiters {
        Waiters { slots: Mutex::new(slots), in_flight: Mutex::new(Some(in_flight.into())) }
    }

    /// The entry was applied: gives each command's waiter its outcome.
    pub(crate) fn decided(&self, outcomes: Vec<Outcome>) {
        let slots = std::mem::take(&mut *self.slots.lock());
        for (slot, outcome) in slots.into_iter().zip(outcomes) {
            // One that has stopped waiting does not want to know.
            let _ = slot.send(Ok(outcome));
        }
        *self.in_flight.lock() = None;
    }

    /// The entry will not be decided here. Has no effect on one that was.
    pub(crate) fn failed(&self, failure: &Failure) {
        self.release(match failure {
            Failure::NotLeader(leader) => Error::NotLeader { leader: *leader },
            Failure::Unknown(reason) => Error::OutcomeUnknown(reason.clone()),
        });
        *self.in_flight.lock() = None;
    }

    /// Lets the waiters go while the entry is still on its way.
    pub(crate) fn release(&self, error: Error) {
        for slot in std::mem::take(&mut *self.slots.lock()) {
            let _ = slot.send(Err(error.clone()));
        }
    }

    /// Whether the entry is on its way.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight.lock().is_some()
    }
}

/// A submitted command: resolves to its outcome once it is on disk and applied. Dropping it does
/// not withdraw the command.
#[derive(Debug)]
pub struct Pending(Inner);

#[derive(Debug)]
enum Inner {
    Refused(Option<Error>),
    Waiting(oneshot::Receiver<Result<Outcome, Error>>),
}

impl Pending {
    pub(crate) fn refused(error: Error) -> Pending {
        Pending(Inner::Refused(Some(error)))
    }

    pub(crate) fn waiting(receiver: oneshot::Receiver<Result<Outcome, Error>>) -> Pending {
        Pending(Inner::Waiting(receiver))
    }
}

impl Future for Pending {
    type Output = Result<Outcome, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Refused(error) => Poll::Ready(Err(error
                .take()
                .unwrap_or_else(|| Error::Invalid("polled after it was done".into())))),
            Inner::Waiting(receiver) => Pin::new(receiver).poll(context).map(|answer| {
                answer.unwrap_or_else(|_| Err(Error::OutcomeUnknown("the journal went away".into())))
            }),
        }
    }
}
