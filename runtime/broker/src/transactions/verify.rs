//! Records of a transaction are taken only for partitions that the coordinator knows to be in it
//! (KIP-890): the producer added them, or, in version 2, they are added on the way.

use std::time::Duration;

use tidemill_state::PartitionId;
use tidemill_transactions::Error as Refusal;
use tokio::time::Instant;

use super::{Transactions, refused};
use crate::error::{Error, ErrorKind};
use crate::producer_ids::ProducerIdentity;

/// How long a producer's first records wait for the end of its last transaction.
const WAIT: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(5);

/// The transaction that a produce request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionalProduce {
    /// Whose.
    pub transactional_id: String,
    /// Kafka's transaction version: 2 for Produce 12 and later, which need not add partitions before.
    pub version: u8,
    /// Whether the client knows TRANSACTION_ABORTABLE (Produce 11 and later).
    pub knows_abortable: bool,
}

impl Transactions {
    /// The number of the producer's open transaction, if the partitions are in it.
    pub(crate) async fn verify(
        &self,
        of: &TransactionalProduce,
        who: ProducerIdentity,
        partitions: &[PartitionId],
    ) -> Result<u64, Error> {
        let give_up = Instant::now() + WAIT;
        loop {
            let refusal = match self.confirmed(&of.transactional_id, who, partitions, &[]) {
                Ok(number) => return Ok(number),
                Err(Refusal::NotInTransaction) if of.version >= 2 => {
                    match self.add(&of.transactional_id, who, of.version, partitions, &[]).await {
                        Err(error) if error.kind == ErrorKind::ConcurrentTransactions => error,
                        other => return other.map_err(|error| of.in_words_of_produce(error)),
                    }
                }
                Err(refusal) => refused(refusal),
            };
            if refusal.kind != ErrorKind::ConcurrentTransactions || Instant::now() >= give_up {
                return Err(of.in_words_of_produce(refusal));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl TransactionalProduce {
    /// The error that Kafka answers a produce request with.
    pub(crate) fn in_words_of_produce(&self, error: Error) -> Error {
        let kind = match error.kind {
            ErrorKind::ProducerFenced => ErrorKind::InvalidProducerEpoch,
            // Retriable, unlike the error itself, which producers do not expect here.
            ErrorKind::ConcurrentTransactions => ErrorKind::NotEnoughReplicas,
            ErrorKind::TransactionAbortable if !self.knows_abortable => ErrorKind::InvalidTransactionState,
            kind => kind,
        };
        Error { kind, message: error.message }
    }
}
