//! Delivering outputs to partitions that live on another journal.
//!
//! Messages of a stream go in order; the receiver keeps the highest sequence number it took, so a
//! delivery that is made again appends nothing twice. Only then does the sender drop them.

use std::sync::Arc;

use bytes::Bytes;
use tidemill_journal::Journal;
use tidemill_state::{AcceptOutbox, Append, Command, OutboxDelivered, OutboxStream, Outcome};

use super::scheduler::Pause;
use crate::broker::Broker;
use crate::error::Error;
use crate::journals::{done, rejected, unexpected};

/// Bytes delivered at a time.
const DELIVERY_BYTES: usize = 1 << 20;

/// Starts the delivery of a stream, or tells the one that runs to look once more.
pub(super) fn wake(broker: &Arc<Broker>, journal: u32, stream: OutboxStream) {
    if broker.functions.scheduler.begin_delivery(journal, stream) {
        broker.tasks.spawn(deliver(Arc::clone(broker), journal, stream));
    }
}

async fn deliver(broker: Arc<Broker>, journal: u32, stream: OutboxStream) {
    let stopping = broker.stopping();
    let mut pause = Pause::default();
    while !stopping.is_cancelled() {
        match deliver_some(&broker, journal, stream).await {
            Ok(true) => pause = Pause::default(),
            Ok(false) => {
                if broker.functions.scheduler.end_delivery(journal, stream) {
                    return;
                }
            }
            Err(error) => {
                let target = stream.target.partition;
                tracing::warn!(%error, function = %stream.instance.function_id, target, "delivery of outputs is held up");
                pause.wait(&stopping).await;
            }
        }
    }
}

/// Delivers the oldest messages; false where there are none.
async fn deliver_some(broker: &Broker, journal: u32, stream: OutboxStream) -> Result<bool, Error> {
    let source = broker.journals.data(journal)?;
    let (first_sequence, batches) = oldest(source, stream);
    let count = u64::try_from(batches.len()).unwrap_or(u64::MAX);
    if count == 0 {
        return Ok(false);
    }
    let last_sequence = match broker.partition_by_id(stream.target) {
        Some(target) => {
            let append = Append { partition: stream.target, batches, now_ms: broker.clock.now_ms() };
            let accept = AcceptOutbox { stream, first_sequence, append };
            match target.journal.propose(Command::AcceptOutbox(accept)).await? {
                Outcome::OutboxAccepted { last_sequence } => last_sequence,
                other => return Err(unexpected(&other)),
            }
        }
        None => {
            tracing::warn!(topic_id = %stream.target.topic_id, count, "outputs for a deleted topic are dropped");
            first_sequence + count - 1
        }
    };
    let delivered = Command::OutboxDelivered(OutboxDelivered { stream, last_sequence });
    done(source.propose(delivered).await?).map_err(|rejection| rejected(&rejection))?;
    Ok(true)
}

fn oldest(source: &Journal, stream: OutboxStream) -> (u64, Vec<Bytes>) {
    source.state(|state| {
        let Some(outbox) = state.outbox(&stream) else {
            return (0, Vec::new());
        };
        let first = outbox.messages().keys().next().copied().unwrap_or(0);
        let mut bytes = 0;
        let within = |batch: &&Bytes| {
            let fits = bytes == 0 || bytes + batch.len() <= DELIVERY_BYTES;
            bytes += batch.len();
            fits
        };
        (first, outbox.messages().values().take_while(within).cloned().collect())
    })
}
