//! How far this replica's log is on disk.
//!
//! Nothing is applied beyond it, and so nothing acknowledged: the state machine asks [`Durable::reached`].
//!
//! That makes it safe, where nobody else holds the journal, to report an append to openraft as soon as
//! it is queued. Openraft 0.9 takes no further proposal until the last append was reported; the disk
//! would be idle from the end of one fsync until the next entry has found its way through four tasks.
//! Where other replicas hold the journal, a report counts towards the majority and follows the fsync.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use crate::Error;
use crate::entry::MembershipRecord;

/// The index after the last entry on disk, or why there will be no more.
pub(crate) struct Durable(watch::Sender<Result<u64, String>>);

impl Durable {
    /// Everything below `next` is on disk.
    pub(crate) fn new(next: u64) -> Arc<Durable> {
        Arc::new(Durable(watch::Sender::new(Ok(next))))
    }

    /// Waits until an entry is on disk.
    pub(crate) async fn reached(&self, index: u64) -> Result<(), Error> {
        let mut position = self.0.subscribe();
        let reached = position.wait_for(|position| !matches!(position, Ok(next) if *next <= index)).await;
        match reached.map(|position| position.clone()) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(reason)) => Err(Error::Storage(reason)),
            Err(_) => Err(Error::Stopped("the log was closed".into())),
        }
    }

    /// Entries up to `last` are on their way: the answer has to be told what becomes of them.
    pub(crate) fn expect(self: &Arc<Durable>, last: u64) -> Unsettled {
        Unsettled { durable: self.clone(), last, is_settled: false }
    }

    /// Entries from `index` on go.
    pub(crate) fn truncate(&self, index: u64) {
        self.0.send_if_modified(|position| match position {
            Ok(next) if *next > index => {
                *next = index;
                true
            }
            _ => false,
        });
    }

    fn settle(&self, last: u64, result: Result<(), String>) {
        self.0.send_if_modified(|position| match (&mut *position, result) {
            (Ok(next), Ok(())) if *next <= last => {
                *next = last + 1;
                true
            }
            (Ok(_), Err(reason)) => {
                *position = Err(reason);
                true
            }
            _ => false,
        });
    }
}

/// Entries on their way to the disk. Dropped, they will not get there.
pub(crate) struct Unsettled {
    durable: Arc<Durable>,
    last: u64,
    is_settled: bool,
}

impl Unsettled {
    /// They are there, or cannot be brought there.
    pub(crate) fn settle(mut self, result: &io::Result<()>) {
        self.is_settled = true;
        self.durable.settle(self.last, result.as_ref().copied().map_err(ToString::to_string));
    }

    /// Entries that get there together: one answer for all.
    pub(crate) fn and(mut self, mut other: Unsettled) -> Unsettled {
        let earlier = if other.last < self.last { &mut other } else { &mut self };
        earlier.is_settled = true;
        if self.is_settled { other } else { self }
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if !self.is_settled {
            self.durable.settle(self.last, Err("the log's thread has ended".into()));
        }
    }
}

/// Whether nobody but `node_id` holds, or is to hold, the journal.
pub(crate) fn is_alone(membership: &MembershipRecord, node_id: u64) -> bool {
    let only_this = |ids: &[u64]| ids == [node_id];
    only_this(&membership.nodes) && matches!(membership.voters.as_slice(), [voters] if only_this(voters))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn an_entry_is_waited_for_until_it_is_on_disk() {
        let durable = Durable::new(5);
        durable.reached(4).await.unwrap();
        let (six, eight) = (durable.expect(6), durable.expect(8));
        assert!(durable.reached(5).now_or_never().is_none());
        six.settle(&Ok(()));
        durable.reached(6).await.unwrap();
        assert!(durable.reached(7).now_or_never().is_none());
        durable.truncate(6);
        assert!(durable.reached(6).now_or_never().is_none(), "what is written there now is another entry");
        eight.settle(&Ok(()));
        durable.reached(8).await.unwrap();
        durable.expect(9).and(durable.expect(11)).and(durable.expect(10)).settle(&Ok(()));
        durable.reached(11).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_reached_once_writing_has_failed() {
        let durable = Durable::new(0);
        durable.expect(0).settle(&Err(io::Error::other("no disk")));
        durable.expect(1).settle(&Ok(()));
        assert!(matches!(durable.reached(1).await, Err(Error::Storage(reason)) if reason == "no disk"));
        let ended = Durable::new(0);
        drop(ended.expect(0));
        assert!(ended.reached(0).await.is_err());
    }

    #[test]
    fn a_learner_is_company() {
        let record = |voters: &[&[u64]], nodes: &[u64]| MembershipRecord {
            voters: voters.iter().map(|set| set.to_vec()).collect(),
            nodes: nodes.to_vec(),
        };
        assert!(is_alone(&record(&[&[1]], &[1]), 1));
        assert!(!is_alone(&record(&[&[1]], &[1]), 2));
        assert!(!is_alone(&record(&[&[1]], &[1, 2]), 1));
        assert!(!is_alone(&record(&[&[1], &[1, 2]], &[1, 2]), 1));
        assert!(!is_alone(&record(&[], &[]), 1));
    }
}
