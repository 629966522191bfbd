//! Reads everything when nobody writes any more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use tidemill_broker_process::Broker;
use tidemill_http_server::api::VerifyResult;

use super::client::{Rebalances, consumer, position_list};
use super::{TOPICS, payload};
use crate::history::{Answer, Call, Isolation, Open, Partition, Process, Record, Recorder};

const PATIENCE: Duration = Duration::from_secs(120);

/// Reads all partitions from front to back under both isolation levels. Blocks.
///
/// # Errors
/// If an end does not come in time.
pub fn read_everything(kafka_addr: &str, recorder: &Arc<Recorder>, archived: bool) -> anyhow::Result<()> {
    for isolation in [Isolation::Uncommitted, Isolation::Committed] {
        for (topic, partitions) in TOPICS {
            let process = recorder.process("finale");
            let consumer = consumer(kafka_addr, None, isolation, &process)?;
            let call = |partition| Call::ReadAll { partition, isolation, archived };
            read_topic(&consumer, &process, (topic, partitions), call)?;
        }
    }
    Ok(())
}

/// One topic at a time, because the event at a partition's end does not name its topic.
fn read_topic(
    consumer: &BaseConsumer<Rebalances>,
    process: &Process,
    (topic, partitions): (&str, i32),
    call: impl Fn(Partition) -> Call,
) -> anyhow::Result<()> {
    let all = (0..partitions).map(|number| Partition(topic.to_owned(), number));
    let positions: Vec<_> = all.map(|partition| (partition, 0)).collect();
    consumer.assign(&position_list(&positions)?)?;
    let mut reading: BTreeMap<i32, (Partition, Open, Vec<Record>)> = positions
        .into_iter()
        .map(|(partition, _)| (partition.1, (partition.clone(), process.invoke(call(partition)), Vec::new())))
        .collect();
    let started = Instant::now();
    while !reading.is_empty() {
        ensure!(started.elapsed() < PATIENCE, "{topic}: the ends of {:?} do not come", reading.keys());
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let reading = reading.get_mut(&message.partition());
                let (_, _, records) = reading.context("a record of a partition that had ended")?;
                records.push(payload::record(&message));
            }
            Some(Err(KafkaError::PartitionEOF(number))) => {
                if let Some((partition, open, records)) = reading.remove(&number) {
                    open.ok(Answer::Records(vec![(partition, records)]));
                }
            }
            // The broker was restarted a moment ago.
            Some(Err(_)) | None => {}
        }
    }
    Ok(())
}

/// Asks the broker for its own verdict on what it has archived.
///
/// # Errors
/// If it does not answer.
pub async fn verify(broker: &Broker, recorder: &Arc<Recorder>) -> anyhow::Result<()> {
    let process = recorder.process("finale");
    for (topic, _) in TOPICS {
        let open = process.invoke(Call::Verify { topic: topic.to_owned() });
        let result: VerifyResult = broker.post(&format!("/v1/archive/{topic}/verify"), &()).await?;
        open.ok(Answer::Problems(result.problems));
    }
    Ok(())
}
