//! Takeovers of a transactional id in single requests, in the version in which every transaction has
//! its own epoch. Unlike librdkafka, the older client here has no state that would stop it.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tidemill_client::{Cluster, Error};
use tidemill_crash_tests::transaction::Transactional;

use super::client::TRANSACTION_TIMEOUT_MS;
use super::{Run, WRITTEN, partitions, payload};
use crate::history::{Answer, Call, Delivery, Open, Partition, Process};

const ID: &str = "raw";
const PAUSE: Duration = Duration::from_millis(50);
/// Kafka's error codes that say that nothing was done: an old epoch, a state of the transaction that
/// does not allow it, an unknown id, fenced.
const REFUSALS: [i16; 4] = [47, 48, 49, 90];

/// Works until told to stop.
pub(super) async fn work(run: Arc<Run>) {
    let mut random = run.random("raw", 0);
    while run.is_writing() {
        // Whatever went wrong is in the history.
        let _ = takeover(&run, &mut random).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// A client of its own connection that has the id.
struct Client {
    process: Process,
    producer: Transactional,
}

async fn takeover(run: &Run, random: &mut StdRng) -> anyhow::Result<()> {
    let mut old = Client::new(run).await?;
    for _ in 0..random.random_range(0..4) {
        let number = run.next_transaction();
        old.send(run, random, number).await?;
        let commit = random.random_bool(0.7);
        old.end(number, commit).await?;
    }
    let number = run.next_transaction();
    old.send(run, random, number).await?;
    let mut new = Client::new(run).await?;
    // The zombie goes on; that it is refused is what the history has to show.
    let _ = old.send(run, random, number).await;
    let _ = old.end(number, true).await;
    let number = run.next_transaction();
    new.send(run, random, number).await?;
    new.end(number, true).await
}

impl Client {
    async fn new(run: &Run) -> anyhow::Result<Self> {
        let cluster = Cluster::connect(run.kafka_addr(), ID).await?;
        let process = run.process(ID);
        let open = process.invoke(Call::Init { transactional_id: ID.to_owned() });
        let producer = concluded(
            open,
            Transactional::init(cluster.bootstrap().clone(), ID, TRANSACTION_TIMEOUT_MS).await,
        )?;
        Ok(Self { process, producer })
    }

    /// A batch of a few records.
    async fn send(&self, run: &Run, random: &mut StdRng, transaction: u64) -> anyhow::Result<()> {
        let partitions = partitions(&WRITTEN);
        let Some(partition) = partitions.get(random.random_range(0..partitions.len())) else { return Ok(()) };
        let values: Vec<u64> = (0..random.random_range(1..4)).map(|_| run.next_value()).collect();
        let records: Vec<_> =
            values.iter().map(|value| (payload::key(*value), payload::payload(*value, random))).collect();
        let invoke = |value: &u64| {
            let (partition, value) = (partition.clone(), *value);
            self.process.invoke(Call::Send {
                transaction: Some(transaction),
                partition,
                value,
                copy_of: None,
            })
        };
        let open: Vec<Open> = values.iter().map(invoke).collect();
        let Partition(topic, number) = partition;
        let sent = self.producer.produce(topic, *number, &records).await;
        for (index, open) in (0..).zip(open) {
            match &sent {
                Ok(base) => open.ok(Answer::Delivered(Delivery { offset: Some(base + index) })),
                Err(error) if is_refusal(error) => open.failed(error),
                Err(error) => open.unknown(error),
            }
        }
        sent.map(drop)
    }

    async fn end(&mut self, transaction: u64, commit: bool) -> anyhow::Result<()> {
        let call = if commit { Call::Commit { transaction } } else { Call::Abort { transaction } };
        let open = self.process.invoke(call);
        concluded(open, self.producer.end(commit).await)
    }
}

fn concluded<T>(open: Open, result: anyhow::Result<T>) -> anyhow::Result<T> {
    match &result {
        Ok(_) => open.done(),
        Err(error) if is_refusal(error) => open.failed(error),
        Err(error) => open.unknown(error),
    }
    result
}

fn is_refusal(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Kafka { code, .. }) if REFUSALS.contains(code))
}
