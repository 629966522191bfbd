//! Kafka's transactions: the coordinator's decisions (`tidemill-transactions`) made durable, and
//! carried out.
//!
//! A transactional id is a row on one journal, fixed at its first use. A request reads the row,
//! lets the decision be made, and proposes the new row by compare-and-set; requests for one id take
//! turns, so that they seldom meet. Ending a transaction is three steps: the row says how it ends
//! (from here on it is decided), markers go to all its partitions and groups, the row says that it
//! is complete. Each step can be done again: a marker that was written is not written twice. So a
//! restart goes on with every row that says a transaction is ending, and so does a timer, in case a
//! journal did not take a marker.

mod describe;
mod ending;
mod offsets;
mod requests;
mod upkeep;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use tidemill_disk::Clock;
use tidemill_journal::Journal;
use tidemill_state::{Command, Outcome, PartitionId, PutTransaction, Rejection, TransactionState};
use tidemill_transactions::{Error as Refusal, confirm};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use describe::{DescribedTransaction, ListedTransaction, PartitionProducer, TransactionFilter};
pub use offsets::OffsetsRefused;
pub(crate) use upkeep::run;
pub use verify::TransactionalProduce;

use crate::error::{Error, ErrorKind};
use crate::journals::{Journals, hash_of, rejected, unexpected};
use crate::producer_ids::{ProducerIdentity, ProducerIds};

/// Requests for ids of one stripe take turns.
const STRIPES: usize = 256;
/// How often a decision is made again because something else changed the row meanwhile.
const ATTEMPTS: usize = 16;
/// How long a request waits for markers to be written. Whatever it is told then, they will be.
const PATIENCE: Duration = Duration::from_secs(5);

/// The transaction coordinator. Shared by whoever holds the broker.
pub struct Transactions {
    journals: Arc<Journals>,
    clock: Arc<dyn Clock>,
    producer_ids: Arc<ProducerIds>,
    max_timeout_ms: i32,
    turns: Vec<Mutex<()>>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// What a decision comes to.
enum Step<T> {
    /// Nothing has to change.
    Answer(T),
    /// This has to be durable first.
    Put(TransactionState, T),
    /// Decide again with a producer id that nobody has.
    NeedsProducerId,
}

impl std::fmt::Debug for Transactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transactions").finish_non_exhaustive()
    }
}

impl Transactions {
    pub(crate) fn new(
        journals: Arc<Journals>,
        clock: Arc<dyn Clock>,
        producer_ids: Arc<ProducerIds>,
        max_timeout_ms: i32,
        stopping: CancellationToken,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        let turns = (0..STRIPES).map(|_| Mutex::default()).collect();
        Arc::new(Self { journals, clock, producer_ids, max_timeout_ms, turns, stopping, tasks })
    }

    /// The row of an id, for a short look.
    fn look<R>(&self, id: &str, look: impl FnOnce(Option<&TransactionState>) -> R) -> R {
        match self.journals.home(id) {
            Some(journal) => journal.state(|state| look(state.transaction(id))),
            None => look(None),
        }
    }

    /// The number of the producer's open transaction, if these are in it.
    fn confirmed(
        &self,
        id: &str,
        who: ProducerIdentity,
        partitions: &[PartitionId],
        groups: &[String],
    ) -> Result<u64, Refusal> {
        self.look(id, |known| confirm(known, who.into(), partitions, groups).map(|state| state.number))
    }

    /// Decides on the row as it is, and makes the decision durable.
    async fn decide<T>(
        &self,
        id: &str,
        decide: impl Fn(Option<&TransactionState>, Option<i64>, i64) -> Result<Step<T>, Refusal>,
    ) -> Result<T, Error> {
        let _turn = self.turn(id).await;
        let mut fresh = None;
        for _ in 0..ATTEMPTS {
            let now_ms = self.clock.now_ms();
            match self.look(id, |known| decide(known, fresh, now_ms)).map_err(refused)? {
                Step::Answer(answer) => return Ok(answer),
                Step::NeedsProducerId => fresh = Some(self.producer_ids.next(&self.journals).await?),
                Step::Put(next, answer) => {
                    let journal = self.journals.settle(id).await?;
                    if put(&journal, id, next).await? {
                        return Ok(answer);
                    }
                }
            }
        }
        Err(Error::new(ErrorKind::ConcurrentTransactions, "the transactional id changes all the time"))
    }

    async fn turn(&self, id: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        match self.turns.get(hash_of(id) as usize % STRIPES) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }
}

/// Replaces a row; false if it is not the one any more that `next` was made of.
async fn put(journal: &Journal, id: &str, next: TransactionState) -> Result<bool, Error> {
    let command = PutTransaction {
        transactional_id: id.to_owned(),
        expected_revision: next.revision,
        transaction: next,
    };
    match journal.propose(Command::PutTransaction(command)).await? {
        Outcome::Done => Ok(true),
        Outcome::Rejected(Rejection::Conflict { .. }) => Ok(false),
        Outcome::Rejected(rejection) => Err(rejected(&rejection)),
        other => Err(unexpected(&other)),
    }
}

/// A refusal as a client gets it.
fn refused(refusal: Refusal) -> Error {
    let kind = match refusal {
        Refusal::InvalidProducerIdMapping => ErrorKind::InvalidProducerIdMapping,
        Refusal::ProducerFenced => ErrorKind::ProducerFenced,
        Refusal::ConcurrentTransactions => ErrorKind::ConcurrentTransactions,
        Refusal::InvalidTransactionState => ErrorKind::InvalidTransactionState,
        Refusal::NotInTransaction => ErrorKind::TransactionAbortable,
        Refusal::InvalidTimeout => ErrorKind::InvalidTransactionTimeout,
    };
    Error::new(kind, refusal.to_string())
}
