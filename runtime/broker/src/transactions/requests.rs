//! What transactional producers ask of the coordinator.

use std::sync::Arc;

use tidemill_state::{PartitionId, TransactionState};
use tidemill_transactions::{Add, End, Identity, Init, InitRequest, add, end, init};

use super::{Step, Transactions, refused};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::producer_ids::ProducerIdentity;

/// What InitProducerId comes to, before it is durable.
enum Taken {
    Granted(Identity),
    /// An open transaction has to be completed first.
    Aborting,
}

/// How often a producer id is taken again because a transaction had to be aborted first.
const ABORTS: usize = 3;

impl Transactions {
    /// Does something to its end although the client goes away: what is decided has to be done.
    async fn to_the_end<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let done = self.tasks.spawn(work).await;
        done.map_err(|error| Error::new(ErrorKind::UnknownServerError, format!("a task failed: {error}")))?
    }

    /// InitProducerId with a transactional id: fences whoever had it, and aborts what they left open.
    pub(crate) async fn take(
        self: &Arc<Self>,
        id: &str,
        timeout_ms: i32,
        expected: Option<ProducerIdentity>,
    ) -> Result<ProducerIdentity, Error> {
        check_id(id)?;
        let expected = expected.map(Identity::from);
        let request = InitRequest { timeout_ms, max_timeout_ms: self.max_timeout_ms, expected };
        for _ in 0..ABORTS {
            let taken = self.decide(id, |known, fresh, now_ms| {
                Ok(match init(known, &request, fresh, now_ms)? {
                    Init::Granted(who) => Step::Answer(Taken::Granted(who)),
                    Init::Put(next) => {
                        let who = identity(&next);
                        Step::Put(next, Taken::Granted(who))
                    }
                    Init::Abort(next) => Step::Put(next, Taken::Aborting),
                    Init::NeedsProducerId => Step::NeedsProducerId,
                })
            });
            match taken.await? {
                Taken::Granted(who) => return Ok(who.into()),
                Taken::Aborting => self.finish(id).await,
            }
        }
        Err(Error::new(ErrorKind::ConcurrentTransactions, "an open transaction is being aborted"))
    }

    /// AddPartitionsToTxn and AddOffsetsToTxn, or what stands for them in version 2. Answers the
    /// transaction's number.
    pub(crate) async fn add(
        &self,
        id: &str,
        who: ProducerIdentity,
        version: u8,
        partitions: &[PartitionId],
        groups: &[String],
    ) -> Result<u64, Error> {
        check_id(id)?;
        self.decide(id, |known, _, now_ms| {
            Ok(match add(known, who.into(), version, partitions, groups, now_ms)? {
                Add::Contained => Step::Answer(known.map_or(0, |known| known.number)),
                Add::Put(next) => {
                    let number = next.number;
                    Step::Put(next, number)
                }
            })
        })
        .await
    }

    /// EndTxn. Returns when the outcome is durable, and in almost all cases carried out. Answers who
    /// the producer is from now on.
    pub(crate) async fn end(
        self: &Arc<Self>,
        id: &str,
        who: ProducerIdentity,
        commit: bool,
        version: u8,
    ) -> Result<ProducerIdentity, Error> {
        check_id(id)?;
        let decided = self.decide(id, |known, fresh, now_ms| {
            Ok(match end(known, who.into(), commit, version, fresh, now_ms)? {
                End::Ended(who) => Step::Answer((who, false)),
                End::Put(next, who) => Step::Put(next, (who, true)),
                End::NeedsProducerId => Step::NeedsProducerId,
            })
        });
        let (who, is_new) = decided.await?;
        if is_new {
            self.finish(id).await;
        }
        Ok(who.into())
    }
}

impl Broker {
    /// InitProducerId with a transactional id.
    pub async fn init_transactional_producer(
        &self,
        transactional_id: &str,
        timeout_ms: i32,
        expected: Option<ProducerIdentity>,
    ) -> Result<ProducerIdentity, Error> {
        let (this, id) = (Arc::clone(&self.transactions), transactional_id.to_owned());
        let work = async move { this.take(&id, timeout_ms, expected).await };
        self.transactions.to_the_end(work).await
    }

    /// AddPartitionsToTxn and AddOffsetsToTxn.
    pub async fn add_to_transaction(
        &self,
        transactional_id: &str,
        who: ProducerIdentity,
        partitions: &[PartitionId],
        groups: &[String],
    ) -> Result<(), Error> {
        self.transactions.add(transactional_id, who, 1, partitions, groups).await.map(|_| ())
    }

    /// Whether a partition is in the producer's open transaction.
    pub fn confirm_in_transaction(
        &self,
        transactional_id: &str,
        who: ProducerIdentity,
        partition: PartitionId,
    ) -> Result<(), Error> {
        let confirmed = self.transactions.confirmed(transactional_id, who, &[partition], &[]);
        confirmed.map(|_| ()).map_err(refused)
    }

    /// EndTxn; `version` is the client's transaction version.
    pub async fn end_transaction(
        &self,
        transactional_id: &str,
        who: ProducerIdentity,
        commit: bool,
        version: u8,
    ) -> Result<ProducerIdentity, Error> {
        let (this, id) = (Arc::clone(&self.transactions), transactional_id.to_owned());
        let work = async move { this.end(&id, who, commit, version).await };
        self.transactions.to_the_end(work).await
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() {
        return Err(Error::new(ErrorKind::InvalidRequest, "the transactional id is empty"));
    }
    Ok(())
}

fn identity(state: &TransactionState) -> Identity {
    Identity { producer_id: state.producer_id, producer_epoch: state.producer_epoch }
}

impl From<ProducerIdentity> for Identity {
    fn from(who: ProducerIdentity) -> Self {
        Self { producer_id: who.producer_id, producer_epoch: who.producer_epoch }
    }
}

impl From<Identity> for ProducerIdentity {
    fn from(who: Identity) -> Self {
        Self { producer_id: who.producer_id, producer_epoch: who.producer_epoch }
    }
}
