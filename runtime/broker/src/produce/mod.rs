//! Producing: two phases, so that a connection keeps its order while its acks are on their way.
//!
//! [`Broker::submit_produce`] resolves, validates and queues; when it returns, every append of the
//! request has its place in its journal's queue. [`PendingProduce::wait`] returns when all of them
//! are on disk and applied. A connection submits its requests one after another and answers them in
//! the same order; dropping the pending half (`acks=0`) does not take anything back.

mod cpu;
mod stamps;
mod transactional;
mod validate;

use bytes::Bytes;
use futures::future::join_all;
use tidemill_journal::{Error as JournalError, Pending};
use tidemill_state::{Append, AppendTransactional, Command, Outcome};

pub(crate) use cpu::CpuPool;
pub(crate) use stamps::Stamps;
use validate::{Checked, Job};

use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::{rejected, unexpected};
use crate::metrics::TopicMetrics;
use crate::partition::Partition;
use crate::topics::TopicRef;
use crate::transactions::TransactionalProduce;

/// Records for some partitions.
#[derive(Clone, Debug, Default)]
pub struct ProduceRequest {
    /// 0, 1 or -1. Whatever is asked for, records are on disk before they are acknowledged.
    pub acks: i16,
    /// What goes where.
    pub partitions: Vec<ProducePartition>,
}

/// Records for one partition.
#[derive(Clone, Debug)]
pub struct ProducePartition {
    /// The topic.
    pub topic: TopicRef,
    /// The partition's number.
    pub partition: i32,
    /// One record batch of format v2, as it came.
    pub records: Bytes,
}

/// Where one partition's records went, or why nowhere.
#[derive(Clone, Debug)]
pub struct PartitionProduced {
    /// The topic, as the request named it.
    pub topic: TopicRef,
    /// The partition's number.
    pub partition: i32,
    /// The result.
    pub result: Result<Produced, Error>,
}

/// Where records went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Offset of the first record.
    pub base_offset: i64,
    /// The broker's timestamp if the topic uses LogAppendTime, else -1.
    pub log_append_time_ms: i64,
    /// The partition's log start offset.
    pub log_start_offset: i64,
}

enum Slot {
    Failed(Error),
    Queued { outcome: Pending, stamp_ms: i64, bytes: u64, records: u64, metrics: TopicMetrics },
}

/// The transaction that a checked batch goes into.
#[derive(Clone, Copy)]
struct Confirmed {
    number: u64,
    version: u8,
}

/// A request whose records are queued, in order.
pub struct PendingProduce {
    slots: Vec<(TopicRef, i32, Slot)>,
    of: Option<TransactionalProduce>,
}

impl PendingProduce {
    /// Waits until everything is on disk and applied. Answers in the order of the request.
    pub async fn wait(self) -> Vec<PartitionProduced> {
        let of = self.of.as_ref();
        let waits = self.slots.into_iter().map(|(topic, partition, slot)| async move {
            let result = match slot {
                Slot::Failed(error) => Err(error),
                Slot::Queued { outcome, stamp_ms, bytes, records, metrics } => {
                    let result = appended(outcome.await, stamp_ms);
                    let result = result.map_err(|error| match of {
                        Some(of) => of.in_words_of_produce(error),
                        None => error,
                    });
                    if result.is_ok() {
                        metrics.produced(bytes, records);
                    }
                    result
                }
            };
            PartitionProduced { topic, partition, result }
        });
        join_all(waits).await
    }
}

fn appended(outcome: Result<Outcome, JournalError>, log_append_time_ms: i64) -> Result<Produced, Error> {
    match outcome? {
        Outcome::Appended(appended) => Ok(Produced {
            base_offset: appended.base_offset,
            log_append_time_ms,
            log_start_offset: appended.log_start_offset,
        }),
        Outcome::Rejected(rejection) => Err(rejected(&rejection)),
        other => Err(unexpected(&other)),
    }
}

/// With `acks=all` as many replicas have to be in sync as the topic says, and there is one.
fn check_replicas(target: Partition, acks: i16) -> Result<Partition, Error> {
    let wanted = target.topic.config.min_insync_replicas;
    if acks == -1 && wanted > 1 {
        let message = format!("1 replica is in sync, min.insync.replicas asks for {wanted}");
        return Err(Error::new(ErrorKind::NotEnoughReplicas, message));
    }
    Ok(target)
}

impl Broker {
    /// Validates the records and queues them in order. The request's partitions are independent: one
    /// that is refused does not keep the others.
    pub async fn submit_produce(&self, request: ProduceRequest) -> PendingProduce {
        self.submit(request, None).await
    }

    /// As [`Broker::submit_produce`], for a request that names a transactional id.
    pub async fn submit_transactional_produce(
        &self,
        request: ProduceRequest,
        of: TransactionalProduce,
    ) -> PendingProduce {
        self.submit(request, Some(of)).await
    }

    async fn submit(&self, request: ProduceRequest, of: Option<TransactionalProduce>) -> PendingProduce {
        if !matches!(request.acks, -1..=1) {
            let error =
                Error::new(ErrorKind::InvalidRequiredAcks, format!("acks={} is not valid", request.acks));
            let refuse = |p: ProducePartition| (p.topic, p.partition, Slot::Failed(error.clone()));
            return PendingProduce { slots: request.partitions.into_iter().map(refuse).collect(), of };
        }
        let mut names = Vec::with_capacity(request.partitions.len());
        let mut jobs = Vec::with_capacity(request.partitions.len());
        for part in request.partitions {
            let target = self.partition(&part.topic, part.partition);
            let target = target.and_then(|target| check_replicas(target, request.acks));
            jobs.push(target.map(|target| Job::new(target, part.records, of.is_some())));
            names.push((part.topic, part.partition));
        }
        let checked = self.validate(jobs).await;
        let checked = match &of {
            Some(of) => self.confirm(of, checked).await,
            None => checked,
        };
        let mut slots = Vec::with_capacity(checked.len());
        for ((topic, partition), checked) in names.into_iter().zip(checked) {
            let slot = match checked {
                Ok((target, checked)) => self.queue(&target, checked).await,
                Err(error) => Slot::Failed(error.context(format_args!("{topic}-{partition}"))),
            };
            slots.push((topic, partition, slot));
        }
        PendingProduce { slots, of }
    }

    /// Runs the checks where they belong: a few small batches here, the rest on the CPU workers.
    async fn validate(&self, jobs: Vec<Result<Job, Error>>) -> Vec<Result<(Partition, Checked), Error>> {
        let now_ms = self.clock.now_ms();
        let run = move |jobs: Vec<Result<Job, Error>>| -> Vec<_> {
            jobs.into_iter().map(|job| job.and_then(|job| job.run(now_ms))).collect()
        };
        if jobs.iter().flatten().map(Job::effort).sum::<usize>() <= validate::INLINE_EFFORT {
            return run(jobs);
        }
        let count = jobs.len();
        match self.cpu.run(move || run(jobs)).await {
            Ok(checked) => checked,
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        }
    }

    /// Gives a checked batch its place in its journal's queue, once there is room.
    async fn queue(&self, target: &Partition, checked: Checked) -> Slot {
        self.housekeeping.room(target.journal.id()).await;
        target.journal.room().await;
        let (bytes, records, of) = (checked.size_bytes(), checked.record_count(), checked.of);
        let (outcome, stamp_ms) = self.stamps.in_order(target, checked, |batch, now_ms| {
            let append = Append { partition: target.id, batches: vec![batch], now_ms };
            target.journal.submit(match of {
                None => Command::Append(append),
                Some(Confirmed { number: transaction, version }) => {
                    Command::AppendTransactional(AppendTransactional { append, transaction, version })
                }
            })
        });
        let metrics = self.metrics.topic(&target.topic.name);
        Slot::Queued { outcome, stamp_ms, bytes, records, metrics }
    }
}
