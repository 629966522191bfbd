//! From a decided transaction to a complete one: markers to its partitions, its end to its groups.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tidemill_journal::{Error as JournalError, Journal};
use tidemill_records::control::{EndTransaction, TransactionResult, end_transaction_batch};
use tidemill_state::{
    Append, Command, EndGroupTransaction, Outcome, PartitionId, Rejection, TransactionState, WriteMarker,
};
use tidemill_transactions::{Ending, complete, ending};
use tokio::task::JoinHandle;

use super::{PATIENCE, Transactions, put};
use crate::error::{Error, ErrorKind};
use crate::journals::rejected;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long writing the ends of a transaction may take before it is begun again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Transactions {
    /// Completes the transaction of an id that is ending, in the background, and waits for it, but
    /// not for ever.
    pub(super) async fn finish(self: &Arc<Self>, id: &str) {
        let done = self.in_background(id.to_owned());
        // What goes wrong is tried again by the task itself.
        let _ = tokio::time::timeout(PATIENCE, done).await;
    }

    /// As [`Transactions::finish`], for whoever need not wait.
    pub(super) fn in_background(self: &Arc<Self>, id: String) -> JoinHandle<()> {
        let this = Arc::clone(self);
        self.tasks.spawn(async move { this.complete(&id).await })
    }

    /// Completes it, however often that has to be tried. Two at a time do no harm.
    async fn complete(&self, id: &str) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.try_for_a_while(id).await {
            tracing::warn!(transactional_id = id, %error, "a transaction could not be completed yet");
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_for_a_while(&self, id: &str) -> Result<(), Error> {
        let tried = tokio::time::timeout(LONGEST_WAIT, self.try_to_complete(id)).await;
        tried.unwrap_or_else(|_| Err(Error::new(ErrorKind::RequestTimedOut, "it takes long")))
    }

    async fn try_to_complete(&self, id: &str) -> Result<(), Error> {
        let Some(journal) = self.journals.home(id) else {
            return Ok(());
        };
        loop {
            let Some(state) = journal.state(|state| state.transaction(id).cloned()) else {
                return Ok(());
            };
            let Some(ending) = ending(&state) else {
                return Ok(());
            };
            self.end_everywhere(&state, &ending).await?;
            let Some(next) = complete(&state, self.clock.now_ms()) else {
                return Ok(());
            };
            if put(journal, id, next).await? {
                return Ok(());
            }
        }
    }

    async fn end_everywhere(&self, state: &TransactionState, ending: &Ending) -> Result<(), Error> {
        let mut waits = Vec::with_capacity(state.partitions.len() + state.groups.len());
        for partition in &state.partitions {
            // Of a topic that was deleted nothing is left to end.
            if let Some(journal) = self.journals.of_partition(partition) {
                waits.push(submit(journal, marker(*partition, ending, self.clock.now_ms())?).await);
            }
        }
        for group_id in &state.groups {
            if let Some(journal) = self.journals.home(group_id) {
                let end = EndGroupTransaction {
                    group_id: group_id.clone(),
                    producer_id: ending.producer_id,
                    producer_epoch: ending.producer_epoch,
                    transaction: ending.transaction,
                    commit: ending.commit,
                    now_ms: self.clock.now_ms(),
                };
                waits.push(submit(journal, Command::EndGroupTransaction(end)).await);
            }
        }
        join_all(waits).await.into_iter().try_for_each(ended)
    }

    /// Writes a marker that no transactional id of this coordinator is behind (an operator's abort).
    pub(crate) async fn write_marker(&self, partition: PartitionId, ending: &Ending) -> Result<(), Error> {
        let journal = self
            .journals
            .of_partition(&partition)
            .ok_or_else(|| Error::unknown_partition(&partition.topic_id.to_string(), partition.partition))?;
        match journal.propose(marker(partition, ending, self.clock.now_ms())?).await? {
            Outcome::Rejected(rejection) => Err(rejected(&rejection)),
            _ => Ok(()),
        }
    }
}

async fn submit(
    journal: &Journal,
    command: Command,
) -> impl Future<Output = Result<Outcome, JournalError>> + use<> {
    journal.room().await;
    journal.submit(command)
}

/// Whether one end was written, or never will be: then there is nothing to wait for.
fn ended(outcome: Result<Outcome, JournalError>) -> Result<(), Error> {
    match outcome? {
        Outcome::Rejected(Rejection::UnknownPartition(_)) => Ok(()),
        Outcome::Rejected(rejection) => {
            tracing::error!(%rejection, "the end of a transaction was refused");
            Ok(())
        }
        _ => Ok(()),
    }
}

fn marker(partition: PartitionId, ending: &Ending, now_ms: i64) -> Result<Command, Error> {
    let result = if ending.commit { TransactionResult::Commit } else { TransactionResult::Abort };
    let end = EndTransaction { result, coordinator_epoch: ending.coordinator_epoch };
    let batch = end_transaction_batch(ending.producer_id, ending.producer_epoch, end, now_ms)
        .map_err(|error| Error::new(ErrorKind::UnknownServerError, error.to_string()))?;
    Ok(Command::WriteMarker(WriteMarker {
        append: Append { partition, batches: vec![batch.into_bytes()], now_ms },
        transaction: ending.transaction,
        version: ending.version,
    }))
}
