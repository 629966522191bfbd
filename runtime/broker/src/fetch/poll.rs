//! One fetch request: reading, and waiting until it is worth an answer.

use std::time::Duration;

use tokio::time::Instant;

use super::read::{Limit, PartitionRead};
use super::{FetchPartition, FetchRequest, FetchedPartition, Isolation};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::offsets::EpochEnd;
use crate::partition::{Partition, Watermarks};

/// Longest wait, whatever a client asks for.
const MAX_WAIT_MS: i32 = 300_000;

/// One partition of the request with what it has answered so far.
pub(super) struct Part {
    pub(super) asked: FetchPartition,
    pub(super) target: Result<Partition, Error>,
    answer: Option<FetchedPartition>,
}

impl Part {
    pub(super) fn new(broker: &Broker, asked: FetchPartition) -> Self {
        Self { target: broker.partition(&asked.topic, asked.partition), asked, answer: None }
    }

    fn size_bytes(&self) -> usize {
        self.answer.as_ref().map_or(0, FetchedPartition::size_bytes)
    }

    /// Whether the client has to know at once.
    fn is_urgent(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.error.is_some() || answer.diverging.is_some())
    }

    pub(super) fn into_answer(self) -> FetchedPartition {
        let Part { asked, target, answer } = self;
        answer.unwrap_or_else(|| {
            let error = target.err().unwrap_or_else(|| Error::unknown_partition("", asked.partition));
            FetchedPartition::failed(asked.topic, asked.partition, error)
        })
    }
}

/// What holds for a request as a whole.
pub(super) struct Limits {
    min_bytes: usize,
    max_bytes: usize,
    pub(super) isolation: Isolation,
    pub(super) deadline: Instant,
    /// Whatever is found, there is no waiting for more.
    at_once: bool,
}

impl Limits {
    pub(super) fn of(broker: &Broker, request: &FetchRequest) -> Self {
        let wait_ms = u64::try_from(request.max_wait_ms.clamp(0, MAX_WAIT_MS)).unwrap_or(0);
        let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
        Self {
            min_bytes,
            max_bytes: usize::try_from(request.max_bytes.min(broker.config.fetch_max_bytes)).unwrap_or(0),
            isolation: request.isolation,
            deadline: Instant::now() + Duration::from_millis(wait_ms),
            at_once: wait_ms == 0 || min_bytes == 0,
        }
    }

    /// Whether the parts are worth an answer.
    pub(super) fn are_met(&self, parts: &[Part]) -> bool {
        let found: usize = parts.iter().map(Part::size_bytes).sum();
        self.at_once || found >= self.min_bytes.min(self.max_bytes) || parts.iter().any(Part::is_urgent)
    }
}

impl Broker {
    /// Reads from the given partitions, waiting up to `max_wait_ms` for `min_bytes`. Errors are per
    /// partition and answered at once. The answers are in the order of the request.
    pub async fn fetch(&self, request: FetchRequest) -> Vec<FetchedPartition> {
        let limits = Limits::of(self, &request);
        let mut parts: Vec<Part> =
            request.partitions.into_iter().map(|asked| Part::new(self, asked)).collect();
        let mut due: Vec<usize> = (0..parts.len()).collect();
        if limits.at_once || parts.is_empty() {
            self.read_parts(&mut parts, &due, &limits).await;
            return parts.into_iter().map(Part::into_answer).collect();
        }
        let mut registration = self.fetch_waiters.registration();
        for (place, part) in parts.iter().enumerate() {
            if let Ok(target) = &part.target {
                registration.set(place, target.id);
            }
        }
        let waiter = registration.waiter();
        let _waiting = self.metrics.waiting_fetch();
        loop {
            self.read_parts(&mut parts, &due, &limits).await;
            if limits.are_met(&parts) {
                break;
            }
            tokio::select! {
                advanced = waiter.advanced() => due = advanced,
                () = tokio::time::sleep_until(limits.deadline) => break,
                () = self.stopping.cancelled() => break,
            }
        }
        parts.into_iter().map(Part::into_answer).collect()
    }

    /// Reads the parts at the given places again, within what the others have left of the limit.
    pub(super) async fn read_parts(&self, parts: &mut [Part], places: &[usize], limits: &Limits) {
        for place in places {
            let Some(part) = parts.get_mut(*place) else {
                continue;
            };
            part.answer = None;
        }
        self.metrics.fetch_looks.inc_by(places.len() as u64);
        let mut taken: usize = parts.iter().map(Part::size_bytes).sum();
        for place in places {
            let Some(part) = parts.get_mut(*place) else {
                continue;
            };
            let own_max = usize::try_from(part.asked.max_bytes).unwrap_or(0);
            let limit = Limit {
                bytes: own_max.min(limits.max_bytes.saturating_sub(taken)),
                at_least_one: taken == 0,
                isolation: limits.isolation,
            };
            let answer = self.read_part(part, limit).await;
            taken += answer.size_bytes();
            part.answer = Some(answer);
        }
    }

    async fn read_part(&self, part: &Part, limit: Limit) -> FetchedPartition {
        let FetchPartition { topic, partition, offset, current_leader_epoch, .. } = &part.asked;
        let failed = |error| FetchedPartition::failed(topic.clone(), *partition, error);
        let target = match &part.target {
            Ok(target) => target,
            Err(error) => return failed(error.clone()),
        };
        let (read, diverging) = match divergence(target, &part.asked) {
            Ok(None) => (self.partition_read(target, *offset, *current_leader_epoch, limit).await, None),
            Ok(Some((marks, end))) => (PartitionRead::nothing(marks), Some(end)),
            Err(error) => return failed(error),
        };
        FetchedPartition {
            topic: topic.clone(),
            partition: *partition,
            high_watermark: read.watermarks.map_or(-1, |w| w.high_watermark),
            last_stable_offset: read.watermarks.map_or(-1, |w| w.last_stable_offset),
            log_start_offset: read.watermarks.map_or(-1, |w| w.log_start_offset),
            leader_epoch: read.watermarks.map_or(-1, |w| w.leader_epoch),
            batches: read.batches,
            aborted: read.aborted,
            diverging,
            error: read.error,
        }
    }
}

/// Whether the client's log and this one part ways before the offset asked for, and where. Only those
/// that name the epoch of their last record (followers) ask.
fn divergence(target: &Partition, asked: &FetchPartition) -> Result<Option<(Watermarks, EpochEnd)>, Error> {
    if asked.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let marks = target.watermarks()?;
    target.check_leader_epoch(&marks, asked.current_leader_epoch)?;
    let end = target.epoch_end(&marks, asked.last_fetched_epoch);
    if end.leader_epoch < 0 || end.end_offset < 0 {
        let message = format!("leader epoch {} is not known here", asked.last_fetched_epoch);
        return Err(Error::new(ErrorKind::OffsetOutOfRange, message));
    }
    let parted = end.leader_epoch < asked.last_fetched_epoch || end.end_offset < asked.offset;
    Ok(parted.then_some((marks, end)))
}
