//! Batches of a transaction are queued only once the coordinator has confirmed their partitions.

use tidemill_state::PartitionId;

use super::Confirmed;
use super::validate::Checked;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::partition::Partition;
use crate::producer_ids::ProducerIdentity;
use crate::transactions::TransactionalProduce;

type Outcome = Result<(Partition, Checked), Error>;

impl Broker {
    /// Has the partitions of transactional batches confirmed, those of a producer together. Where
    /// some are not in the transaction they are asked for one by one: they do not keep the others.
    pub(super) async fn confirm(&self, of: &TransactionalProduce, mut checked: Vec<Outcome>) -> Vec<Outcome> {
        let together = self.confirm_together(of, &checked).await;
        for outcome in &mut checked {
            let Ok((target, checked)) = outcome else { continue };
            let Some(who) = checked.transactional_producer() else { continue };
            let number = match &together {
                Some(together) => together.clone(),
                None => self.transactions.verify(of, who, &[target.id]).await,
            };
            match number {
                Ok(number) => checked.of = Some(Confirmed { number, version: of.version }),
                Err(error) => *outcome = Err(error),
            }
        }
        checked
    }

    /// The number of the transaction that all transactional batches are of, or why all are refused;
    /// none if they have to be looked at one by one.
    async fn confirm_together(
        &self,
        of: &TransactionalProduce,
        checked: &[Outcome],
    ) -> Option<Result<u64, Error>> {
        let mut producer: Option<ProducerIdentity> = None;
        let mut partitions: Vec<PartitionId> = Vec::new();
        for (target, checked) in checked.iter().flatten() {
            let Some(who) = checked.transactional_producer() else {
                continue;
            };
            if *producer.get_or_insert(who) != who {
                return None;
            }
            partitions.push(target.id);
        }
        match self.transactions.verify(of, producer?, &partitions).await {
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::TransactionAbortable | ErrorKind::InvalidTransactionState
                ) =>
            {
                None
            }
            other => Some(other),
        }
    }
}
