//! A consuming client of librdkafka that keeps its history.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;

use super::client::{Rebalances, consumer, position_list};
use super::{Run, payload};
use crate::history::{Answer, Call, Isolation, Partition, Positions, Process, Record, by_partition};

const SEEK_PATIENCE: Duration = Duration::from_secs(5);
/// How long nothing has to come for a member that has unsubscribed to have no more rebalances to serve.
const QUIET: Duration = Duration::from_millis(20);
/// How often that is waited for.
const LEAVE_ATTEMPTS: usize = 100;

/// One client.
pub(super) struct Reader {
    consumer: BaseConsumer<Rebalances>,
    process: Process,
    isolation: Isolation,
    in_group: bool,
}

/// What a poll gave, all of it since the last rebalance.
pub(super) type Polled = Vec<(Partition, Record)>;

/// The client has no position any more: it is not in the log, or (in a group) the client forgot it.
#[derive(Debug)]
pub(super) struct Lost;

impl Reader {
    /// A client that reads these partitions, from these offsets on.
    pub fn assigned(run: &Run, role: &str, isolation: Isolation, positions: Positions) -> Option<Self> {
        let process = run.process(role);
        let consumer = consumer(run.kafka_addr(), None, isolation, &process).ok()?;
        consumer.assign(&position_list(&positions).ok()?).ok()?;
        process.note(Call::Assign { positions });
        Some(Self { consumer, process, isolation, in_group: false })
    }

    /// A member of a group, under read_committed.
    pub fn member(run: &Run, role: &str, group: &str, topics: &[&str]) -> Option<Self> {
        let member = Self::outside(run, role, group)?;
        member.consumer.subscribe(topics).ok()?;
        Some(member)
    }

    /// A client that speaks for a group, and is no member of it yet.
    pub fn outside(run: &Run, role: &str, group: &str) -> Option<Self> {
        let process = run.process(role);
        let isolation = Isolation::Committed;
        let consumer = consumer(run.kafka_addr(), Some(group), isolation, &process).ok()?;
        Some(Self { consumer, process, isolation, in_group: true })
    }

    /// Waits a while for up to so many records.
    pub fn poll(&self, most: usize, patience: Duration) -> Result<Polled, Lost> {
        let deadline = Instant::now() + patience;
        let call = Call::Poll { isolation: self.isolation };
        let mut open = self.process.invoke(call.clone());
        let mut records = Vec::new();
        while records.len() < most {
            let next = self.consumer.poll(deadline.saturating_duration_since(Instant::now()));
            // What came before a rebalance belongs to another poll than what comes after it.
            if self.consumer.context().happened() {
                open.ok(Answer::Records(by_partition(std::mem::take(&mut records))));
                open = self.process.invoke(call.clone());
            }
            match next {
                None => break,
                Some(Ok(message)) => {
                    let partition = Partition(message.topic().to_owned(), message.partition());
                    records.push((partition, payload::record(&message)));
                }
                Some(Err(error)) if is_out_of_range(&error) => {
                    // In a group this may be the client's own doing. Whether the group's position is gone,
                    // the watcher sees; whether it is not in the log, those who read without a group.
                    if self.in_group {
                        open.unknown(error)
                    } else {
                        open.failed(error)
                    }
                    return Err(Lost);
                }
                // The broker is away, or the end is reached; librdkafka goes on by itself.
                Some(Err(_)) => {}
            }
        }
        open.ok(Answer::Records(by_partition(records.iter().cloned())));
        Ok(records)
    }

    /// Goes on elsewhere; a client that could not is of no more use.
    pub fn seek(&self, partition: &Partition, offset: i64) -> bool {
        let open = self.process.invoke(Call::Seek { partition: partition.clone(), offset });
        let to = rdkafka::Offset::Offset(offset);
        match self.consumer.seek(&partition.0, partition.1, to, SEEK_PATIENCE) {
            Ok(()) => open.done(),
            Err(error) => {
                open.unknown(error);
                return false;
            }
        }
        true
    }

    /// Commits its group's positions; whether it certainly did.
    pub fn commit(&self, group: &str, positions: Positions) -> bool {
        let Ok(list) = position_list(&positions) else { return false };
        let open = self.process.invoke(Call::CommitOffsets { group: group.to_owned(), positions });
        match self.consumer.commit(&list, CommitMode::Sync) {
            Ok(()) => open.done(),
            Err(error) => {
                open.unknown(error);
                return false;
            }
        }
        true
    }

    /// What a transactional producer needs to speak for this member.
    pub fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.consumer.group_metadata()
    }
}

impl Drop for Reader {
    /// Whoever speaks for a group leaves it before the client is closed. librdkafka 2.12 drops the answer to a
    /// rebalance that is served just when closing ends, and whoever serves it (the crate's own `drop`)
    /// waits for ever; one that has left has none to serve.
    fn drop(&mut self) {
        if !self.in_group {
            return;
        }
        self.consumer.unsubscribe();
        for _ in 0..LEAVE_ATTEMPTS {
            let is_quiet = self.consumer.poll(QUIET).is_none();
            if is_quiet && self.consumer.assignment().is_ok_and(|held| held.count() == 0) {
                return;
            }
        }
    }
}

fn is_out_of_range(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
    )
}

/// Where to go on behind what was polled.
pub(super) fn positions_behind(polled: &Polled) -> Positions {
    let polled = by_partition(polled.iter().cloned()).into_iter();
    polled
        .filter_map(|(partition, records)| records.last().map(|record| (partition, record.offset + 1)))
        .collect()
}

/// Where what was polled begins.
pub(super) fn positions_before(polled: &Polled) -> Positions {
    let polled = by_partition(polled.iter().cloned()).into_iter();
    polled
        .filter_map(|(partition, records)| records.first().map(|record| (partition, record.offset)))
        .collect()
}
