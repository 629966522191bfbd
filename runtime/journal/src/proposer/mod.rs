//! Group commit: everything that waits becomes one entry.
//!
//! Openraft appends and fsyncs once per proposal, inside its core, and its own queue has no bound.
//! So the bound is here: one task takes what has gathered while the last entries were on their way to
//! disk, fairly ([`queue`]), and proposes it as one entry. One is on its way at a time, so that what
//! comes meanwhile shares the next; two if the first is small, so that the disk finds the next one ready;
//! more if they are worth it, since several are written at a time, or made durable by one fsync.
//!
//! A disk that is full, or refuses writes, must not reach openraft, which takes any storage error
//! for the end. Space is therefore looked at before anything is proposed; and when a write fails
//! all the same, the writer keeps trying while this task tells those who wait, and those who come,
//! what is the matter (`health.rs`).

mod queue;
mod slots;
mod waiters;

use std::sync::Arc;

use parking_lot::Mutex;
use tidemill_state::Command;
use tokio::sync::{Notify, oneshot};

use self::queue::{Item, Queue};
use self::slots::{Slot, Slots};
pub use self::waiters::Pending;
use self::waiters::Waiter;
pub(crate) use self::waiters::{Failure, Waiters};
use crate::Error;
use crate::entry::EntryData;
use crate::health::Health;
use crate::space::{Space, makes_room};

/// Most commands of one entry, well below what the entry format allows.
const ENTRY_COMMANDS: usize = 16 << 10;
/// Waiting bytes that are worth an entry beside others: more than two of a producer's larger batches. Each
/// entry costs hand-overs between threads and a write, however little is in it.
const WORTHY_BYTES: usize = 140 << 10;
/// An entry smaller than this has a second one behind it at once: what it costs matters less than what
/// waits for a slow write of the first.
const SMALL_BYTES: usize = 60 << 10;
/// Bound of such an entry: others should not have to wait behind many large ones.
const FURTHER_ENTRY_BYTES: usize = 512 << 10;

/// The way in: commands that wait for the proposer.
pub(crate) struct Inbox {
    queue: Mutex<Gated>,
    arrived: Notify,
    left: Notify,
    health: Arc<Health>,
    queue_bytes: usize,
    command_bytes: usize,
}

/// The queue, and whether anybody still empties it: under one lock, or a command that comes while
/// the proposer ends would wait for ever.
#[derive(Default)]
struct Gated {
    queue: Queue<Waiter>,
    closed: Option<Error>,
}

impl Inbox {
    pub(crate) fn new(health: Arc<Health>, queue_bytes: usize, command_bytes: usize) -> Inbox {
        Inbox {
            queue: Mutex::default(),
            arrived: Notify::new(),
            left: Notify::new(),
            health,
            queue_bytes,
            command_bytes: command_bytes.min(tidemill_state::limits::MAX_ENTRY_BYTES),
        }
    }

    /// Queues a command, or refuses it at once.
    pub(crate) fn submit(&self, command: Command, submitter: Option<u64>) -> Pending {
        if let Some(error) = self.health.refusal() {
            return Pending::refused(error);
        }
        let bytes = command.size_hint_bytes();
        if bytes > self.command_bytes {
            return Pending::refused(Error::TooLarge { bytes, limit: self.command_bytes });
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut gated = self.queue.lock();
            if let Some(error) = &gated.closed {
                return Pending::refused(error.clone());
            }
            let queued_bytes = gated.queue.bytes();
            if queued_bytes > 0 && queued_bytes.saturating_add(bytes) > self.queue_bytes.saturating_mul(2) {
                return Pending::refused(Error::Overloaded { queued_bytes });
            }
            gated.queue.push(command, bytes, submitter, sender);
        }
        self.arrived.notify_one();
        Pending::waiting(receiver)
    }

    /// Waits until the queue is below its bound.
    pub(crate) async fn room(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.queue.lock().queue.bytes() < self.queue_bytes || self.health.refusal().is_some() {
                return;
            }
            left.await;
        }
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.queue.lock().queue.bytes()
    }

    /// The same, if anything waits.
    fn waiting_bytes(&self) -> Option<usize> {
        let gated = self.queue.lock();
        (!gated.queue.is_empty()).then(|| gated.queue.bytes())
    }

    fn take(&self, limit: usize) -> Vec<Item<Waiter>> {
        let items = self.queue.lock().queue.take(limit, ENTRY_COMMANDS);
        self.left.notify_waiters();
        items
    }

    fn refuse_all(&self, error: &Error) {
        let refused = self.queue.lock().queue.drain();
        self.refuse(refused, error);
    }

    /// Refuses what waits and whatever comes from now on.
    fn close(&self, error: &Error) {
        let refused = {
            let mut gated = self.queue.lock();
            gated.closed = Some(error.clone());
            gated.queue.drain()
        };
        self.refuse(refused, error);
    }

    fn refuse(&self, items: Vec<Item<Waiter>>, error: &Error) {
        for item in items {
            let _ = item.waiter.send(Err(error.clone()));
        }
        self.left.notify_waiters();
    }
}

/// Where entries go.
pub(crate) trait Log: Send + Sync + 'static {
    /// Hands an entry over, in order. Whoever waits learns the rest from `waiters`.
    fn propose(&self, data: Arc<EntryData>, waiters: Arc<Waiters>) -> impl Future<Output = ()> + Send;
}

/// The task that turns what waits into entries.
pub(crate) struct Proposer<L> {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) health: Arc<Health>,
    pub(crate) space: Space,
    pub(crate) log: L,
    pub(crate) entry_bytes: usize,
    pub(crate) entries_in_flight: usize,
}

impl<L: Log> Proposer<L> {
    /// Runs until the journal ends, one way or another; then nothing waits any more.
    pub(crate) async fn run(self) {
        let slots = Arc::new(Slots::default());
        let mut in_flight: Vec<Arc<Waiters>> = Vec::new();
        while !self.is_ending() {
            if let Some(error) = self.health.refusal() {
                self.inbox.refuse_all(&error);
                release(&in_flight, &error);
            }
            let slot = tokio::select! {
                biased;
                () = self.health.changed.notified() => continue,
                slot = self.work(&slots) => slot,
            };
            in_flight.retain(|waiters| waiters.is_in_flight());
            self.propose(slot, &mut in_flight).await;
        }
        let ended = || self.health.refusal().unwrap_or_else(|| Error::Stopped("it has ended".into()));
        self.inbox.close(&ended());
        self.finish(&slots).await;
        release(&in_flight, &ended());
    }

    fn is_ending(&self) -> bool {
        self.health.is_closing() || self.health.stopped().is_some()
    }

    /// Lets what is on its way arrive, unless the journal stops first.
    async fn finish(&self, slots: &Slots) {
        while self.health.stopped().is_none() && !slots.is_empty() {
            tokio::select! {
                () = slots.left() => {}
                () = self.health.changed.notified() => {}
            }
        }
    }

    /// Waits until there is something to propose, and leave to propose it. Waiting for leave comes
    /// last: what arrives meanwhile joins the entry.
    async fn work(&self, slots: &Arc<Slots>) -> Slot {
        loop {
            let limit = self.inbox.waiting_bytes().map_or(0, |waiting_bytes| {
                entries_at_a_time(waiting_bytes, slots.bytes(), self.entries_in_flight.max(1))
            });
            if let Some(slot) = slots.take(limit) {
                return slot;
            }
            tokio::select! {
                () = self.inbox.arrived.notified() => {}
                () = slots.left() => {}
            }
        }
    }

    async fn propose(&self, mut slot: Slot, in_flight: &mut Vec<Arc<Waiters>>) {
        let is_further = slot.others > 0;
        let limit = if is_further { FURTHER_ENTRY_BYTES.min(self.entry_bytes) } else { self.entry_bytes };
        let items = self.admitted(self.inbox.take(limit));
        if items.is_empty() {
            return;
        }
        slot.holds(items.iter().map(|item| item.cost).sum());
        let (commands, senders): (Vec<Command>, Vec<Waiter>) =
            items.into_iter().map(|item| (item.command, item.waiter)).unzip();
        match EntryData::encode(commands) {
            Ok(data) => {
                let waiters = Arc::new(Waiters::new(senders, slot));
                in_flight.push(waiters.clone());
                self.log.propose(Arc::new(data), waiters).await;
            }
            Err((commands, error)) => {
                tracing::warn!(%error, commands = commands.len(), "an entry could not be encoded");
                self.propose_singly(commands, senders, slot, in_flight).await;
            }
        }
    }

    /// Finds the command that cannot be encoded by giving each an entry of its own. All of them
    /// count against the depth as one, until the last is decided.
    async fn propose_singly(
        &self,
        commands: Vec<Command>,
        senders: Vec<Waiter>,
        slot: Slot,
        in_flight: &mut Vec<Arc<Waiters>>,
    ) {
        let slot = Arc::new(slot);
        for (command, sender) in commands.into_iter().zip(senders) {
            let bytes = command.size_hint_bytes();
            match EntryData::encode(vec![command]) {
                Ok(data) => {
                    let waiters = Arc::new(Waiters::new(vec![sender], slot.clone()));
                    in_flight.push(waiters.clone());
                    self.log.propose(Arc::new(data), waiters).await;
                }
                Err((_, tidemill_state::Error::TooLarge { limit, .. })) => {
                    let _ = sender.send(Err(Error::TooLarge { bytes, limit }));
                }
                Err((_, error)) => {
                    let _ = sender.send(Err(Error::Invalid(error.to_string())));
                }
            }
        }
    }

    /// Refuses what the disk has no room for.
    fn admitted(&self, items: Vec<Item<Waiter>>) -> Vec<Item<Waiter>> {
        let bytes = items.iter().map(|item| item.cost as u64).sum();
        let Err(shortage) = self.space.check(bytes) else {
            return items;
        };
        let mut admitted = Vec::new();
        for item in items {
            if shortage.reserve_left && makes_room(&item.command) {
                admitted.push(item);
            } else {
                let _ = item.waiter.send(Err(Error::DiskFull(shortage.reason.clone())));
            }
        }
        admitted
    }
}

/// How many entries may be on their way, the next one among them, where so much waits and so much is on its way.
fn entries_at_a_time(waiting_bytes: usize, in_flight_bytes: usize, most: usize) -> usize {
    match waiting_bytes {
        WORTHY_BYTES.. => most,
        _ if in_flight_bytes < SMALL_BYTES => most.min(2),
        _ => 1,
    }
}

/// Lets those go who wait for what is on its way.
fn release(in_flight: &[Arc<Waiters>], error: &Error) {
    for waiters in in_flight {
        waiters.release(Error::OutcomeUnknown(error.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox() -> Inbox {
        Inbox::new(Arc::new(Health::default()), 1 << 20, 1 << 20)
    }

    fn command() -> Command {
        Command::DeleteGroup { group_id: "g".into() }
    }

    #[test]
    fn an_entry_goes_beside_others_if_it_is_worth_it_or_they_are_small() {
        let beside = |waiting_bytes, in_flight_bytes| entries_at_a_time(waiting_bytes, in_flight_bytes, 8);
        let (batch, batches) = (64 << 10, 192 << 10);
        assert_eq!(beside(batch, batches), 1, "a batch waits for others to share an entry with");
        assert_eq!(beside(2 * batch, batches), 1, "two wait as well");
        assert_eq!(beside(batches, batches), 8, "three are worth a write of their own");
        assert_eq!(beside(1, batch / 2), 2, "behind a small entry goes whatever there is");
        assert_eq!(beside(1, 60 << 10), 1, "and only behind small ones");
        assert_eq!(
            entries_at_a_time(1, 0, 1),
            1,
            "where one at a time is asked for, there is never a second"
        );
        assert_eq!(entries_at_a_time(batches, 0, 1), 1);
    }

    /// The health is looked at before, so it cannot be what refuses: the journal may end in between.
    #[tokio::test]
    async fn what_comes_after_the_end_is_refused_however_healthy_it_looked() {
        let inbox = inbox();
        let waiting = inbox.submit(command(), None);
        let ended = Error::Stopped("over".into());
        inbox.close(&ended);
        assert_eq!(waiting.await, Err(ended.clone()));
        assert_eq!(inbox.submit(command(), None).await, Err(ended));
        inbox.room().await;
    }
}
