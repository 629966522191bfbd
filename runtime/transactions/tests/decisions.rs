//! Kafka's rules for transactional ids one by one, and random histories against what must never be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidemill_state::{PartitionId, TransactionState, TransactionStatus};
use tidemill_transactions::*;
use uuid::Uuid;

const REQUEST: InitRequest = InitRequest { timeout_ms: 60_000, max_timeout_ms: 900_000, expected: None };

fn partition(number: i32) -> PartitionId {
    PartitionId { topic_id: Uuid::from_u128(7), partition: number }
}

/// A coordinator of one id, which makes durable whatever it is told to.
#[derive(Default)]
struct Id {
    state: Option<TransactionState>,
    next_producer_id: i64,
    now_ms: i64,
}

impl Id {
    fn put(&mut self, next: TransactionState) {
        self.state = Some(TransactionState { revision: next.revision + 1, ..next });
    }

    fn fresh(&mut self) -> i64 {
        self.next_producer_id += 1;
        self.next_producer_id
    }

    fn init(&mut self, request: InitRequest) -> Result<Identity, Error> {
        let mut fresh = None;
        loop {
            match init(self.state.as_ref(), &request, fresh, self.now_ms)? {
                Init::Granted(who) => return Ok(who),
                Init::NeedsProducerId => fresh = Some(self.fresh()),
                Init::Abort(next) => {
                    self.put(next);
                    self.complete();
                }
                Init::Put(next) => {
                    let who = Identity { producer_id: next.producer_id, producer_epoch: next.producer_epoch };
                    self.put(next);
                    return Ok(who);
                }
            }
        }
    }

    fn add(&mut self, who: Identity, version: u8, number: i32) -> Result<u64, Error> {
        let added = add(self.state.as_ref(), who, version, &[partition(number)], &[], self.now_ms)?;
        if let Add::Put(next) = added {
            self.put(next);
        }
        Ok(self.state.as_ref().unwrap().number)
    }

    /// Decides, and leaves it at that.
    fn prepare(&mut self, who: Identity, commit: bool, version: u8) -> Result<Identity, Error> {
        let mut fresh = None;
        loop {
            match end(self.state.as_ref(), who, commit, version, fresh, self.now_ms)? {
                End::Ended(who) => return Ok(who),
                End::NeedsProducerId => fresh = Some(self.fresh()),
                End::Put(next, who) => {
                    self.put(next);
                    return Ok(who);
                }
            }
        }
    }

    fn complete(&mut self) -> Option<Ending> {
        let ending = ending(self.state.as_ref()?)?;
        let next = complete(self.state.as_ref()?, self.now_ms)?;
        self.put(next);
        Some(ending)
    }

    fn end(&mut self, who: Identity, commit: bool, version: u8) -> Result<Identity, Error> {
        let next = self.prepare(who, commit, version)?;
        self.complete();
        Ok(next)
    }

    fn status(&self) -> TransactionStatus {
        self.state.as_ref().unwrap().status
    }

    fn at_epoch(epoch: i16) -> (Self, Identity) {
        let mut id = Self::default();
        let who = id.init(REQUEST).unwrap();
        let mut state = id.state.clone().unwrap();
        state.producer_epoch = epoch;
        id.put(state);
        (id, Identity { producer_epoch: epoch, ..who })
    }
}

#[test]
fn whoever_takes_the_id_fences_those_before() {
    let mut id = Id::default();
    let old = id.init(REQUEST).unwrap();
    assert_eq!(old.producer_epoch, 0);
    let new = id.init(REQUEST).unwrap();
    assert_eq!((new.producer_id, new.producer_epoch), (old.producer_id, 1));
    assert_eq!(id.add(old, 1, 0), Err(Error::ProducerFenced));
    assert_eq!(id.end(old, true, 1), Err(Error::ProducerFenced));
    assert_eq!(id.end(old, true, 2), Err(Error::ProducerFenced));
    let stranger = Identity { producer_id: 99, ..new };
    assert_eq!(id.add(stranger, 1, 0), Err(Error::InvalidProducerIdMapping));
    assert_eq!(Id::default().add(new, 1, 0), Err(Error::InvalidProducerIdMapping));
    id.add(new, 1, 0).unwrap();
}

#[test]
fn an_open_transaction_is_aborted_before_the_id_is_given_away() {
    for version in [1, 2] {
        let mut id = Id::default();
        let old = id.init(REQUEST).unwrap();
        id.add(old, version, 0).unwrap();
        let new = id.init(REQUEST).unwrap();
        assert_eq!(id.status(), TransactionStatus::Empty);
        assert!(new.producer_epoch > old.producer_epoch + 1, "the epoch of the abort is nobody's");
        assert_eq!(id.end(old, true, version), Err(Error::ProducerFenced));
    }
}

#[test]
fn timeouts_are_bounded() {
    for timeout_ms in [0, -1, 900_001] {
        let request = InitRequest { timeout_ms, ..REQUEST };
        assert_eq!(Id::default().init(request), Err(Error::InvalidTimeout));
    }
}

#[test]
fn version_1_keeps_its_epoch_and_may_ask_again() {
    let mut id = Id::default();
    let who = id.init(REQUEST).unwrap();
    assert_eq!(id.end(who, true, 1), Err(Error::InvalidTransactionState), "nothing to end");
    assert_eq!(id.add(who, 1, 0), Ok(1));
    assert_eq!(id.prepare(who, true, 1), Ok(who));
    assert_eq!(id.prepare(who, true, 1), Err(Error::ConcurrentTransactions));
    assert_eq!(id.prepare(who, false, 1), Err(Error::InvalidTransactionState));
    assert_eq!(id.add(who, 1, 1), Err(Error::ConcurrentTransactions));
    assert!(id.complete().unwrap().commit);
    assert_eq!(id.end(who, true, 1), Ok(who));
    assert_eq!(id.end(who, false, 1), Err(Error::InvalidTransactionState));
    assert_eq!(id.add(who, 1, 0), Ok(2));
}

#[test]
fn version_2_gets_an_epoch_for_each_transaction() {
    let mut id = Id::default();
    let first = id.init(REQUEST).unwrap();
    id.add(first, 2, 0).unwrap();
    let second = id.prepare(first, true, 2).unwrap();
    assert_eq!(second.producer_epoch, first.producer_epoch + 1);
    assert_eq!(id.add(second, 2, 1), Err(Error::ConcurrentTransactions));
    assert_eq!(id.prepare(first, true, 2), Err(Error::ConcurrentTransactions));
    let ending = id.complete().unwrap();
    assert_eq!((ending.producer_epoch, ending.transaction), (second.producer_epoch, 1));
    // The answer got lost: the same again, as often as it takes.
    assert_eq!(id.end(first, true, 2), Ok(second));
    assert_eq!(id.end(first, false, 2), Err(Error::InvalidTransactionState));
    assert_eq!(id.end(second, true, 2), Err(Error::InvalidTransactionState), "nothing to commit");
    // A transaction to which nothing came can be aborted.
    let third = id.end(second, false, 2).unwrap();
    assert_eq!(third.producer_epoch, second.producer_epoch + 1);
    assert_eq!(id.end(first, true, 2), Err(Error::ProducerFenced));
    id.add(third, 2, 0).unwrap();
    assert_eq!(id.state.as_ref().unwrap().partitions, [partition(0)]);
}

#[test]
fn exhausted_epochs_give_another_producer_id() {
    let last = i16::MAX - 1;
    let (mut id, who) = Id::at_epoch(last);
    id.add(who, 2, 0).unwrap();
    let next = id.prepare(who, true, 2).unwrap();
    assert_eq!(next.producer_epoch, 0);
    assert_ne!(next.producer_id, who.producer_id);
    let ending = id.complete().unwrap();
    assert_eq!((ending.producer_id, ending.producer_epoch), (who.producer_id, i16::MAX));
    assert_eq!(id.end(who, true, 2), Ok(next));
    id.add(next, 2, 0).unwrap();
    let (mut id, who) = Id::at_epoch(last);
    let next = id.init(REQUEST).unwrap();
    assert_eq!(next.producer_epoch, 0);
    assert_eq!(id.add(who, 1, 0), Err(Error::InvalidProducerIdMapping));
    // The last epoch of all is for fencing.
    let (mut id, who) = Id::at_epoch(last);
    id.add(who, 2, 0).unwrap();
    let next = id.init(REQUEST).unwrap();
    assert_eq!((next.producer_epoch, next.producer_id == who.producer_id), (0, false));
}

#[test]
fn a_producer_goes_on_after_an_error() {
    let mut id = Id::default();
    let first = id.init(REQUEST).unwrap();
    let go_on = |who| InitRequest { expected: Some(who), ..REQUEST };
    let second = id.init(go_on(first)).unwrap();
    assert_eq!(second.producer_epoch, first.producer_epoch + 1);
    assert_eq!(id.init(go_on(first)), Ok(second), "the answer got lost");
    let other = id.init(REQUEST).unwrap();
    assert_eq!(id.init(go_on(second)), Err(Error::ProducerFenced));
    assert_eq!(id.init(go_on(Identity { producer_id: 99, ..other })), Err(Error::ProducerFenced));
    let (mut id, last) = Id::at_epoch(i16::MAX - 1);
    let renamed = id.init(go_on(last)).unwrap();
    assert_ne!(renamed.producer_id, last.producer_id);
    assert_eq!(id.init(go_on(last)), Ok(renamed));
}

#[test]
fn time_is_up_only_for_open_transactions_and_idle_ids() {
    let mut id = Id::default();
    let who = id.init(REQUEST).unwrap();
    let state = id.state.clone().unwrap();
    assert!(
        !is_overdue(&state, i64::MAX) && is_expired(&state, 1_000, 1_000) && !is_expired(&state, 1_000, 999)
    );
    id.add(who, 1, 0).unwrap();
    let state = id.state.clone().unwrap();
    assert!(
        is_overdue(&state, 60_001) && !is_overdue(&state, 60_000) && !is_expired(&state, 1_000, i64::MAX)
    );
    id.put(abort(&state, 60_001));
    assert!(!is_overdue(id.state.as_ref().unwrap(), i64::MAX));
    assert!(!id.complete().unwrap().commit);
    assert_eq!(id.add(who, 1, 0), Err(Error::ProducerFenced));
}

#[test]
fn what_was_not_added_is_not_confirmed() {
    let mut id = Id::default();
    let who = id.init(REQUEST).unwrap();
    let confirmed = |id: &Id, number| confirm(id.state.as_ref(), who, &[partition(number)], &[]).map(|_| ());
    assert_eq!(confirmed(&id, 0), Err(Error::NotInTransaction));
    id.add(who, 1, 0).unwrap();
    assert_eq!((confirmed(&id, 0), confirmed(&id, 1)), (Ok(()), Err(Error::NotInTransaction)));
    id.prepare(who, true, 1).unwrap();
    assert_eq!(confirmed(&id, 0), Err(Error::ConcurrentTransactions));
    id.complete();
    assert_eq!(confirmed(&id, 0), Err(Error::NotInTransaction));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Three processes fight for one id. No identity is ever given to two of them, no transaction
    /// ends in two ways, epochs never fall, and only the last one to take the id gets anything done.
    #[test]
    fn no_history_breaks_the_rules(
        steps in prop::collection::vec((0usize..3, 0u8..12, 0i32..3), 1..120),
        start in prop_oneof![Just(0i16), i16::MAX - 6..=i16::MAX - 1],
    ) {
        let (mut id, _) = Id::at_epoch(start);
        let mut who: [Option<(Identity, u8)>; 3] = [None; 3];
        let mut owner = None;
        let mut owners: BTreeMap<(i64, i16), usize> = BTreeMap::new();
        let mut outcomes: BTreeMap<u64, bool> = BTreeMap::new();
        let mut epochs: BTreeMap<i64, i16> = BTreeMap::new();
        let mut numbers: BTreeSet<u64> = BTreeSet::new();
        for (process, kind, number) in steps {
            id.now_ms += 1;
            let version = 1 + (process as u8 & 1);
            let changed = match (kind, who[process]) {
                (0, _) => {
                    let taken = id.init(REQUEST);
                    if let Ok(taken) = taken {
                        owner = Some(process);
                        who[process] = Some((taken, version));
                    }
                    taken.map(Some)
                }
                (1..=5, Some((me, version))) => {
                    let added = id.add(me, version, number);
                    if let Ok(number) = added {
                        prop_assert_eq!(owner, Some(process));
                        prop_assert!(!outcomes.contains_key(&number));
                        numbers.insert(number);
                    }
                    added.map(|_| None)
                }
                (6..=9, Some((me, version))) => {
                    let next = id.prepare(me, kind < 9, version);
                    if let Ok(next) = next {
                        prop_assert_eq!(owner, Some(process));
                        who[process] = Some((next, version));
                    }
                    next.map(Some)
                }
                (10, _) => {
                    let state = id.state.clone().unwrap();
                    if state.status == TransactionStatus::Ongoing {
                        id.put(abort(&state, id.now_ms));
                        owner = None;
                    }
                    Ok(None)
                }
                _ => Ok(None),
            };
            if let Ok(Some(given)) = changed {
                let before = owners.insert((given.producer_id, given.producer_epoch), process);
                prop_assert!(before.is_none_or(|before| before == process), "{given:?} is two processes");
            }
            let state = id.state.clone().unwrap();
            if kind == 11
                && let Some(ending) = id.complete()
            {
                prop_assert_eq!(outcomes.insert(ending.transaction, ending.commit), None);
                prop_assert!(numbers.contains(&ending.transaction) || !ending.commit);
            }
            let epoch = epochs.entry(state.producer_id).or_insert(state.producer_epoch);
            prop_assert!(*epoch <= state.producer_epoch);
            *epoch = state.producer_epoch;
        }
    }
}
