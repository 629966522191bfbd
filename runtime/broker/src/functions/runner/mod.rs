//! Running functions: who is woken when, reading, calling the guest, committing.
//!
//! One instance is a function on one input partition. It has a task only while it has records to
//! work on: a partition that advances wakes the instances that read it ([`Scheduler`]), and a task
//! that has caught up ends. [`run`](instance::Run) reads committed batches, gives their records to
//! the guest ([`slice`]), and commits what came back, state and position as one command ([`commit`]).
//! Outputs for other journals go through the outbox and are delivered by [`outbox`].

mod attempt;
mod commit;
mod dead_letter;
mod instance;
mod outbox;
mod outputs;
mod scheduler;
mod slice;

use std::sync::{Arc, Weak};

use tidemill_state::{Command, FunctionInstance, OpenFunction, OutboxStream, PartitionId, StartPosition};

use super::catalog::Deployment;
use super::delete::finish_deletions;
use crate::broker::Broker;
use crate::error::Error;
use crate::journals::{done, rejected};
use crate::listener::PartitionListener;
pub(crate) use dead_letter::dead_letter_topic;
pub(crate) use scheduler::Scheduler;

/// Hangs the runner on the journals and wakes whatever has work left from before.
pub(super) fn start(broker: &Arc<Broker>) {
    broker.add_listener(Arc::new(Waker { broker: Arc::downgrade(broker) }));
    for deployment in broker.functions.catalog.all() {
        wake_all(broker, &deployment);
    }
    for (journal, handle) in broker.journals.all_data() {
        let waiting = handle.state(|state| {
            let waiting = state.outboxes().iter().filter(|(_, outbox)| !outbox.messages().is_empty());
            waiting.map(|(stream, _)| *stream).collect::<Vec<_>>()
        });
        for stream in waiting {
            outbox::wake(broker, journal, stream);
        }
    }
}

/// Wakes every instance of a function.
pub(super) fn wake_all(broker: &Arc<Broker>, deployment: &Arc<Deployment>) {
    for input in &deployment.metadata.inputs {
        let Some(topic) = broker.topic(input) else {
            continue;
        };
        for partition in topic.partition_ids() {
            scheduler::wake(broker, deployment, partition);
        }
    }
}

/// Gives each instance that a function does not have yet its place to begin.
pub(super) async fn open_instances(broker: &Broker, deployment: &Deployment) -> Result<(), Error> {
    for input in &deployment.metadata.inputs {
        let topic = broker.find_topic(&input.as_str().into())?;
        for input in topic.partition_ids() {
            let instance = FunctionInstance { function_id: deployment.metadata.function_id, input };
            open_instance(broker, instance, deployment.metadata.start).await?;
        }
    }
    Ok(())
}

async fn open_instance(
    broker: &Broker,
    instance: FunctionInstance,
    start: StartPosition,
) -> Result<(), Error> {
    let Some(target) = broker.partition_by_id(instance.input) else {
        return Ok(());
    };
    if target.journal.state(|state| state.function(&instance).is_some()) {
        return Ok(());
    }
    let marks = target.watermarks()?;
    let position = match start {
        StartPosition::Earliest => marks.log_start_offset,
        StartPosition::Latest => marks.last_stable_offset,
    };
    let command = Command::OpenFunction(OpenFunction { instance, position });
    done(target.journal.propose(command).await?).map_err(|rejection| rejected(&rejection))
}

/// What the journals tell, turned into wake-ups. Holds no broker alive.
struct Waker {
    broker: Weak<Broker>,
}

impl PartitionListener for Waker {
    fn advanced(&self, partition: PartitionId, _high_watermark: i64) {
        let Some(broker) = self.broker.upgrade() else {
            return;
        };
        if broker.functions.catalog.is_empty() {
            return;
        }
        let Some(topic) = broker.topic_by_id(partition.topic_id) else {
            return;
        };
        for deployment in broker.functions.catalog.by_input(&topic.name) {
            scheduler::wake(&broker, &deployment, partition);
        }
    }

    fn closed(&self, _partition: PartitionId) {
        let Some(broker) = self.broker.upgrade() else {
            return;
        };
        if !broker.functions.catalog.is_empty() {
            // In a task: this is called from within apply, where the journal's state must not be looked at.
            let later = Arc::clone(&broker);
            broker.tasks.spawn(async move { finish_deletions(&later) });
        }
    }

    fn outbox_queued(&self, journal: u32, stream: OutboxStream) {
        if let Some(broker) = self.broker.upgrade() {
            outbox::wake(&broker, journal, stream);
        }
    }
}
