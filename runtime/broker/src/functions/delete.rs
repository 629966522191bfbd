//! Deleting a function: first it is gone from the metadata, then its undelivered outputs are
//! delivered, then the journals forget it. A crash in between is made good at the next start.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidemill_journal::Journal;
use tidemill_state::{Command, FunctionInstance, MetadataCommand};

use super::unknown;
use crate::broker::Broker;
use crate::error::Error;

/// How often a function that is going is looked at.
const DRAIN_INTERVAL: Duration = Duration::from_millis(50);

impl Broker {
    /// Removes a function with its positions.
    pub async fn delete_function(self: &Arc<Self>, name: &str) -> Result<(), Error> {
        let _changing = self.functions.changing.lock().await;
        let deployment = self.functions.catalog.by_name(name).ok_or_else(|| unknown(name))?;
        let function_id = deployment.metadata.function_id;
        self.change_metadata(MetadataCommand::DeleteFunction { function_id }).await?;
        self.functions.catalog.remove(name);
        self.functions.scheduler.forget_stopped(function_id);
        self.functions.logs.lock().remove(name);
        finish_deletions(self);
        Ok(())
    }

    /// Instances on the journals whose function is not deployed, or whose input is gone.
    fn orphans(&self) -> BTreeSet<FunctionInstance> {
        let deployed: BTreeSet<_> =
            self.functions.catalog.all().iter().map(|deployment| deployment.metadata.function_id).collect();
        let of_journal = |(_, journal): (u32, &Journal)| {
            journal.state(|state| {
                let known = state.functions().keys().copied();
                let orphan = |instance: &FunctionInstance| {
                    !deployed.contains(&instance.function_id)
                        || self.partition_by_id(instance.input).is_none()
                };
                known.filter(orphan).collect::<Vec<_>>()
            })
        };
        self.journals.all_data().flat_map(of_journal).collect()
    }
}

/// Lets the journals forget functions that were deleted, or whose input was, once they have stopped
/// and their outputs are delivered.
pub(super) fn finish_deletions(broker: &Arc<Broker>) {
    let orphans = broker.orphans();
    if orphans.is_empty() {
        return;
    }
    let task = Arc::clone(broker);
    broker.tasks.spawn(async move {
        for instance in orphans {
            if let Err(error) = close(&task, instance).await {
                tracing::warn!(%error, function = %instance.function_id, "a deleted function is cleared up at the next start");
            }
        }
    });
}

async fn close(broker: &Arc<Broker>, instance: FunctionInstance) -> Result<(), Error> {
    let stopping = broker.stopping();
    loop {
        let undelivered = broker.journals.all_data().any(|(_, journal)| {
            journal
                .state(|state| state.outboxes_of(&instance).any(|(_, outbox)| !outbox.messages().is_empty()))
        });
        if !undelivered && !broker.functions.scheduler.is_active(&instance) {
            break;
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(DRAIN_INTERVAL) => {}
        }
    }
    // The sender first: a receiver that forgot what it took would take a late delivery again.
    let holds = |journal: &Journal| journal.state(|state| state.function(&instance).is_some());
    let (senders, receivers): (Vec<_>, Vec<_>) =
        broker.journals.all_data().map(|(_, journal)| journal).partition(|journal| holds(journal));
    for journal in senders.into_iter().chain(receivers) {
        journal.propose(Command::CloseFunction(instance)).await?;
    }
    Ok(())
}
