//! A producing client of librdkafka that keeps its history.

use std::time::Duration;

use futures::executor::block_on;
use rand::rngs::StdRng;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};

use super::client::{plain_producer, position_list, transactional_producer};
use super::{Run, payload};
use crate::history::{Answer, Call, Delivery, Open, Partition, Positions, Process};

const PATIENCE: Duration = Duration::from_secs(10);
/// How often a commit or an abort is tried that may be tried again.
const ATTEMPTS: usize = 3;

/// One client.
pub(super) struct Sender {
    producer: FutureProducer,
    process: Process,
}

/// A record on its way.
pub(super) struct Pending {
    open: Open,
    delivery: DeliveryFuture,
}

impl Sender {
    /// A producer without transactions.
    pub fn plain(run: &Run, role: &str, random: &mut StdRng) -> Option<Self> {
        let producer = plain_producer(run.kafka_addr(), random).ok()?;
        Some(Self { producer, process: run.process(role) })
    }

    /// A producer that has just taken a transactional id, if it could.
    pub fn transactional(run: &Run, role: &str, id: &str, random: &mut StdRng) -> Option<Self> {
        let producer = transactional_producer(run.kafka_addr(), id, random).ok()?;
        let process = run.process(role);
        let open = process.invoke(Call::Init { transactional_id: id.to_owned() });
        conclude(open, producer.init_transactions(PATIENCE)).then_some(Self { producer, process })
    }

    /// Begins a transaction, and gives it a number.
    pub fn begin(&self, run: &Run) -> Option<u64> {
        self.producer.begin_transaction().ok()?;
        Some(run.next_transaction())
    }

    /// Sends a new value; none if the client refused to take it.
    pub fn send(
        &self,
        run: &Run,
        random: &mut StdRng,
        transaction: Option<u64>,
        partition: Partition,
        copy_of: Option<u64>,
    ) -> Option<Pending> {
        let value = run.next_value();
        let (payload, key) = (payload::payload(value, random), payload::key(value));
        let call = Call::Send { transaction, partition: partition.clone(), value, copy_of };
        let open = self.process.invoke(call);
        let mut record = FutureRecord::to(&partition.0)
            .partition(partition.1)
            .payload(&payload)
            .headers(payload::headers(value));
        if let Some(key) = &key {
            record = record.key(key);
        }
        match self.producer.send_result(record) {
            Ok(delivery) => Some(Pending { open, delivery }),
            Err((error, _)) => {
                open.failed(error);
                None
            }
        }
    }

    /// A group's position, to be committed with the transaction.
    pub fn send_offsets(
        &self,
        transaction: u64,
        group: &str,
        positions: &Positions,
        member: &ConsumerGroupMetadata,
    ) -> bool {
        let call = Call::SendOffsets { transaction, group: group.to_owned(), positions: positions.clone() };
        let open = self.process.invoke(call);
        let sent = position_list(positions)
            .and_then(|list| self.producer.send_offsets_to_transaction(&list, member, PATIENCE));
        conclude(open, sent)
    }

    /// Commits; whether it certainly did. A client that could not is of no more use.
    pub fn commit(&self, transaction: u64) -> bool {
        let open = self.process.invoke(Call::Commit { transaction });
        conclude(open, persistently(|| self.producer.commit_transaction(PATIENCE)))
    }

    /// Aborts; whether it certainly did.
    pub fn abort(&self, transaction: u64) -> bool {
        let open = self.process.invoke(Call::Abort { transaction });
        conclude(open, persistently(|| self.producer.abort_transaction(PATIENCE)))
    }
}

/// Waits for deliveries; whether all of them are certain. To be called after the client was dropped
/// where that is to happen with records on their way.
pub(super) fn settle(pending: impl IntoIterator<Item = Pending>) -> bool {
    let mut certain = true;
    for Pending { open, delivery } in pending {
        match block_on(delivery) {
            Ok(Ok(delivered)) => {
                let offset = Some(delivered.offset).filter(|offset| *offset >= 0);
                open.ok(Answer::Delivered(Delivery { offset }));
            }
            // A record may have been stored in any attempt that was not answered.
            Ok(Err((error, _))) => {
                open.unknown(error);
                certain = false;
            }
            Err(canceled) => {
                open.unknown(canceled);
                certain = false;
            }
        }
    }
    certain
}

fn conclude(open: Open, result: KafkaResult<()>) -> bool {
    match result {
        Ok(()) => {
            open.done();
            true
        }
        Err(error) => {
            open.unknown(error);
            false
        }
    }
}

fn persistently(mut attempt: impl FnMut() -> KafkaResult<()>) -> KafkaResult<()> {
    let mut result = attempt();
    for _ in 1..ATTEMPTS {
        match &result {
            Err(KafkaError::Transaction(error)) if error.is_retriable() => result = attempt(),
            _ => break,
        }
    }
    result
}
