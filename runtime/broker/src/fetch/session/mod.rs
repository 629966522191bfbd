//! Incremental fetch sessions (KIP-227): a client names its partitions once, and then only what
//! changes; answers hold only what is new.
//!
//! ```text
//!  epoch -1  a fetch without a session; ends the session it names
//!  epoch 0   a full fetch that asks for a session; ends the session it names
//!  epoch n   the n-th fetch of a session: n must be what the last answer led to
//! ```
//! A session stays registered with the [`Waiters`](super::Waiters) for all its partitions, also
//! between fetches, so an append marks its partition due in one step and the next fetch looks at
//! nothing else. What is due stays due until an answer has been made of it: a fetch that is broken
//! off loses nothing.
//!
//! A fetch that comes while another of its session waits takes over, as in Kafka; the one that waits
//! is told that its epoch is over.

mod cache;
mod partitions;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::RngExt;
use tokio::sync::Notify;
use uuid::Uuid;

use super::poll::{Limits, Part};
use super::waiters::Registration;
use super::{FetchPartition, FetchRequest, FetchedPartition, Isolation};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::topics::TopicRef;
use cache::SessionCache;
use partitions::{Partitions, Slot};

/// The epoch of a fetch without a session.
const FINAL_EPOCH: i32 = -1;
/// The epoch of a fetch that asks for a session.
const INITIAL_EPOCH: i32 = 0;

/// A fetch as clients send it.
#[derive(Clone, Debug)]
pub struct SessionFetch {
    /// The session, or 0.
    pub session_id: i32,
    /// Its epoch; see the module.
    pub epoch: i32,
    /// Whether topics are named by id.
    pub by_topic_id: bool,
    /// What is wanted: of all partitions, or of those that the session does not know like this.
    pub request: FetchRequest,
    /// Partitions that leave the session.
    pub forgotten: Vec<(TopicRef, i32)>,
}

/// The answer to a [`SessionFetch`].
#[derive(Debug)]
pub struct SessionFetched {
    /// The session from now on; 0 is none.
    pub session_id: i32,
    /// All partitions of the request, or those of the session that have something new.
    pub partitions: Vec<FetchedPartition>,
}

/// All sessions of a broker.
pub(crate) struct Sessions(Mutex<SessionCache<Session>>);

impl Sessions {
    pub(crate) fn new(slots: i32) -> Self {
        Self(Mutex::new(SessionCache::new(usize::try_from(slots).unwrap_or(0))))
    }

    /// Sessions, their partitions, and how many were evicted so far.
    pub(crate) fn counts(&self) -> (usize, usize, u64) {
        self.0.lock().counts()
    }
}

/// One session.
struct Session {
    by_topic_id: bool,
    state: Mutex<State>,
    /// Another fetch has taken over.
    superseded: Notify,
}

struct State {
    /// The epoch that the next fetch must have.
    epoch: i32,
    isolation: Isolation,
    partitions: Partitions,
    registration: Registration,
    /// The names that topics had when they were met, to tell one that was created anew.
    names: HashMap<Uuid, String>,
}

/// Which partitions an answer holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Everything,
    News,
}

impl Broker {
    /// A fetch of a client, in a session if it asks for one. The error is one of the session.
    pub async fn fetch_in_session(&self, fetch: SessionFetch) -> Result<SessionFetched, Error> {
        if !matches!(fetch.epoch, FINAL_EPOCH | INITIAL_EPOCH) {
            return self.fetch_incrementally(fetch).await;
        }
        if fetch.session_id != 0 {
            self.fetch_sessions.0.lock().remove(fetch.session_id);
        }
        let partitions = fetch.request.partitions.len();
        let wanted = fetch.epoch == INITIAL_EPOCH && partitions > 0;
        if !wanted || !self.fetch_sessions.0.lock().has_room(self.clock.now_ms(), partitions) {
            return Ok(SessionFetched { session_id: 0, partitions: self.fetch(fetch.request).await });
        }
        self.fetch_with_new_session(fetch).await
    }

    async fn fetch_with_new_session(&self, fetch: SessionFetch) -> Result<SessionFetched, Error> {
        let limits = Limits::of(self, &fetch.request);
        let mut wanted = Partitions::default();
        fetch.request.partitions.into_iter().for_each(|partition| wanted.want(partition));
        let size = wanted.len();
        let session = Arc::new(Session {
            by_topic_id: fetch.by_topic_id,
            state: Mutex::new(State {
                epoch: next_epoch(INITIAL_EPOCH),
                isolation: limits.isolation,
                partitions: wanted,
                registration: self.fetch_waiters.registration(),
                names: HashMap::new(),
            }),
            superseded: Notify::new(),
        });
        let epoch = next_epoch(INITIAL_EPOCH);
        let partitions = self.poll_session(&session, epoch, &limits, Answer::Everything).await?;
        let random = || rand::rng().random_range(1..=i32::MAX);
        let kept = self.fetch_sessions.0.lock().insert(self.clock.now_ms(), session, size, random);
        Ok(SessionFetched { session_id: kept.unwrap_or(0), partitions })
    }

    async fn fetch_incrementally(&self, fetch: SessionFetch) -> Result<SessionFetched, Error> {
        let id = fetch.session_id;
        let unknown =
            || Error::new(ErrorKind::FetchSessionIdNotFound, format!("there is no fetch session {id}"));
        let session = self.fetch_sessions.0.lock().get(id).ok_or_else(unknown)?;
        let limits = Limits::of(self, &fetch.request);
        let size = session.begin(&fetch, limits.isolation)?;
        // As Kafka does: there is nothing left to have a session for.
        if size == 0 {
            self.fetch_sessions.0.lock().remove(id);
            return Ok(SessionFetched { session_id: 0, partitions: Vec::new() });
        }
        if !self.fetch_sessions.0.lock().used(id, self.clock.now_ms(), size) {
            return Err(unknown());
        }
        let partitions = self.poll_session(&session, next_epoch(fetch.epoch), &limits, Answer::News).await?;
        Ok(SessionFetched { session_id: id, partitions })
    }

    /// Looks at what is due, and waits until that is worth an answer. `epoch` is the session's while
    /// this fetch is its newest.
    async fn poll_session(
        &self,
        session: &Session,
        epoch: i32,
        limits: &Limits,
        answer: Answer,
    ) -> Result<Vec<FetchedPartition>, Error> {
        let mut superseded = std::pin::pin!(session.superseded.notified());
        superseded.as_mut().enable();
        let waiter = session.state.lock().registration.waiter();
        let mut looks = Looks::default();
        let due = session.due(epoch)?;
        let mut places = looks.take(self, session, due);
        let mut counted = None;
        loop {
            self.read_parts(&mut looks.parts, &places, limits).await;
            if limits.are_met(&looks.parts) {
                break;
            }
            counted.get_or_insert_with(|| self.metrics.waiting_fetch());
            tokio::select! {
                advanced = waiter.advanced() => {
                    let due = session.mark_due(epoch, &advanced).inspect_err(|_| waiter.wake(&advanced))?;
                    places = looks.take(self, session, due);
                }
                () = &mut superseded => break,
                () = tokio::time::sleep_until(limits.deadline) => break,
                () = self.stopping.cancelled() => break,
            }
        }
        session.finish(epoch, looks, answer)
    }
}

/// What one fetch has looked at.
#[derive(Default)]
struct Looks {
    parts: Vec<Part>,
    slots: Vec<Slot>,
    places: HashMap<Slot, usize>,
}

impl Looks {
    /// Adds partitions, or finds them again; answers their places.
    fn take(&mut self, broker: &Broker, session: &Session, due: Vec<(Slot, FetchPartition)>) -> Vec<usize> {
        let mut places = Vec::with_capacity(due.len());
        for (slot, asked) in due {
            let mut part = Part::new(broker, asked);
            session.meet(broker, slot, &mut part);
            let place = *self.places.entry(slot).or_insert(self.parts.len());
            match self.parts.get_mut(place) {
                Some(known) => *known = part,
                None => {
                    self.parts.push(part);
                    self.slots.push(slot);
                }
            }
            places.push(place);
        }
        places
    }
}

impl Session {
    /// Takes in what a request says. Answers how many partitions there are then.
    fn begin(&self, fetch: &SessionFetch, isolation: Isolation) -> Result<usize, Error> {
        let mut state = self.state.lock();
        if state.epoch != fetch.epoch {
            return Err(wrong_epoch(fetch.epoch, state.epoch));
        }
        if self.by_topic_id != fetch.by_topic_id {
            let message = "a fetch session names its topics either by name or by id";
            return Err(Error::new(ErrorKind::FetchSessionTopicIdError, message));
        }
        state.epoch = next_epoch(fetch.epoch);
        self.superseded.notify_waiters();
        for partition in &fetch.request.partitions {
            state.partitions.want(partition.clone());
        }
        for (topic, partition) in &fetch.forgotten {
            if let Some(slot) = state.partitions.forget(topic, *partition) {
                state.registration.unset(slot);
            }
        }
        if state.isolation != isolation {
            state.isolation = isolation;
            state.partitions.mark_all_due();
        }
        let size = state.partitions.len();
        if state.names.len() > size {
            state.names.clear();
        }
        Ok(size)
    }

    /// Registers for a partition before it is read, or a record that comes in between is slept through.
    fn meet(&self, broker: &Broker, slot: Slot, part: &mut Part) {
        let mut state = self.state.lock();
        match &mut part.target {
            Ok(target) => {
                state.registration.set(slot, target.id);
                if self.by_topic_id {
                    let name = || target.topic.name.clone();
                    state.names.entry(target.id.topic_id).or_insert_with(name);
                }
            }
            Err(error) if error.kind == ErrorKind::UnknownTopicId => {
                let name = part.asked.topic.id().and_then(|id| state.names.get(&id));
                if let Some(name) = name.filter(|name| broker.registry.by_name(name).is_some()) {
                    let message = format!("{error}, and topic {name:?} has another now");
                    *error = Error::new(ErrorKind::InconsistentTopicId, message);
                }
            }
            Err(_) => {}
        }
    }

    /// What is to be looked at, what advanced since the last fetch included.
    fn due(&self, epoch: i32) -> Result<Vec<(Slot, FetchPartition)>, Error> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.epoch != epoch {
            return Err(wrong_epoch(epoch, state.epoch));
        }
        for slot in state.registration.waiter().take() {
            state.partitions.mark_due(slot);
        }
        Ok(state.partitions.due())
    }

    /// Notes that partitions advanced while a fetch waited; answers what is wanted of them.
    fn mark_due(&self, epoch: i32, advanced: &[Slot]) -> Result<Vec<(Slot, FetchPartition)>, Error> {
        let mut state = self.state.lock();
        if state.epoch != epoch {
            return Err(wrong_epoch(epoch, state.epoch));
        }
        for slot in advanced {
            state.partitions.mark_due(*slot);
        }
        let asked = advanced.iter().filter_map(|slot| Some((*slot, state.partitions.asked(*slot)?.clone())));
        Ok(asked.collect())
    }

    /// Makes the answer, and notes what the client knows by it.
    fn finish(&self, epoch: i32, looks: Looks, answer: Answer) -> Result<Vec<FetchedPartition>, Error> {
        let mut state = self.state.lock();
        if state.epoch != epoch {
            return Err(wrong_epoch(epoch, state.epoch));
        }
        let isolation = state.isolation;
        let looked_at = looks.slots.into_iter().zip(looks.parts.into_iter().map(Part::into_answer));
        let news = looked_at.filter_map(|(slot, found)| {
            let news = state.partitions.looked_at(slot, &found, isolation);
            (news || answer == Answer::Everything).then_some(found)
        });
        Ok(news.collect())
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

fn wrong_epoch(epoch: i32, expected: i32) -> Error {
    let message = format!("the fetch session is at epoch {expected}, not {epoch}");
    Error::new(ErrorKind::InvalidFetchSessionEpoch, message)
}
