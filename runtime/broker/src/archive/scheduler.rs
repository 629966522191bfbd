//! The one task that looks after the archive.
//!
//! It sleeps until something grew or a deadline has come, asks the policy what is due, and starts
//! jobs: at most a handful at a time, of which `seal.concurrency` may encode. Retention, clean-up
//! and log pressure are looked at in between. With nothing to do it wakes for retention only.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidemill_state::PartitionId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::policy::{Attempt, Policy, Reason, SealSettings};
use super::pressure::{self, LogSize};
use super::seal::{SealError, seal};
use super::{cleanup, retention};
use crate::broker::Broker;
use crate::topics::TopicConfig;

/// What arrives within this time is looked at together.
const GATHER: Duration = Duration::from_millis(50);
/// Log pressure is looked at no more often, and this often while there is some.
const PRESSURE_INTERVAL_MS: i64 = 100;
/// After a start, retention waits: there is enough to do.
const FIRST_RETENTION_MS: i64 = 30_000;
/// Jobs that upload or commit while others encode.
const UPLOADS: usize = 3;
/// How many objects are deleted in one go.
const DELETIONS: usize = 256;

type Job = (PartitionId, Reason, Result<Attempt, SealError>);

struct Scheduler {
    broker: Arc<Broker>,
    policy: Policy,
    encoders: Arc<Semaphore>,
    jobs: JoinSet<Job>,
    /// Background work that runs one at a time: retention and clean-up.
    chores: JoinSet<()>,
    /// Checkpoints that let WAL files go.
    reclaims: JoinSet<()>,
    /// Some log is larger than it should be, or has grown since that was looked at.
    may_be_pressed: bool,
    /// Objects to be deleted, and when.
    garbage: VecDeque<(i64, String)>,
    next_retention_ms: i64,
    next_search_ms: i64,
    next_pressure_ms: i64,
}

/// Runs until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    let now_ms = broker.clock.now_ms();
    let encoders = usize::try_from(broker.config.seal_concurrency).unwrap_or(1);
    let mut scheduler = Scheduler {
        policy: Policy::default(),
        encoders: Arc::new(Semaphore::new(encoders)),
        jobs: JoinSet::new(),
        chores: JoinSet::new(),
        reclaims: JoinSet::new(),
        may_be_pressed: true,
        garbage: VecDeque::new(),
        next_retention_ms: now_ms
            .saturating_add(broker.config.log_retention_check_interval_ms.min(FIRST_RETENTION_MS)),
        next_search_ms: now_ms.saturating_add(broker.config.archive_gc_interval_ms),
        next_pressure_ms: now_ms,
        broker,
    };
    scheduler.find_unsealed();
    scheduler.look_after().await;
}

impl Scheduler {
    async fn look_after(&mut self) {
        let stopping = self.broker.stopping.clone();
        loop {
            self.gather();
            self.start_jobs();
            self.start_chores();
            let wait = self.wait();
            tokio::select! {
                () = stopping.cancelled() => break,
                () = self.broker.housekeeping.rung() => {
                    tokio::select! {
                        () = stopping.cancelled() => break,
                        () = tokio::time::sleep(GATHER) => {}
                    }
                }
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok((id, reason, result)) = done {
                        self.finish(id, reason, result);
                    }
                }
                Some(_) = self.chores.join_next(), if !self.chores.is_empty() => {}
                Some(_) = self.reclaims.join_next(), if !self.reclaims.is_empty() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        // Encoders notice that the broker stops; waiting keeps them from outliving the journals.
        while self.jobs.join_next().await.is_some() {}
        while self.chores.join_next().await.is_some() {}
        while self.reclaims.join_next().await.is_some() {}
    }

    /// At start: everything in the log that is not archived.
    fn find_unsealed(&mut self) {
        let now_ms = self.broker.clock.now_ms();
        let mut unsealed = Vec::new();
        for (_, journal) in self.broker.journals.all_data() {
            journal.state(|state| {
                let open = state.partitions().iter().filter(|(_, p)| p.archived_end < p.high_watermark);
                unsealed.extend(open.map(|(id, _)| (*id, 1)));
            });
            let pins = journal.pins(usize::MAX);
            unsealed.extend(pins.into_iter().map(|pin| {
                let partition = pin.partition;
                (PartitionId { topic_id: partition.topic_id, partition: partition.partition }, pin.live_bytes)
            }));
        }
        for (id, bytes) in unsealed {
            if let Some(settings) = self.settings(id) {
                self.policy.grew(id, bytes, now_ms, settings);
            }
        }
    }

    fn settings(&self, id: PartitionId) -> Option<SealSettings> {
        Some(seal_settings(&self.broker.registry.by_id(&id.topic_id)?.config))
    }

    /// Takes in what has changed.
    fn gather(&mut self) {
        let now_ms = self.broker.clock.now_ms();
        let changes = self.broker.housekeeping.take();
        self.may_be_pressed |= !changes.grown.is_empty();
        for (id, bytes) in changes.grown {
            if let Some(settings) = self.settings(id) {
                self.policy.grew(id, bytes, now_ms, settings);
            }
        }
        for id in changes.look_at {
            if let Some(settings) = self.settings(id).filter(|_| self.policy.knows(&id)) {
                self.policy.grew(id, 0, now_ms, settings);
            }
        }
        for (id, upto) in changes.wanted {
            if let Some(settings) = self.settings(id) {
                self.policy.want(id, upto, now_ms, settings);
            }
        }
        for id in &changes.closed {
            self.policy.closed(id);
        }
        let due_ms = now_ms.saturating_add(self.broker.config.log_segment_delete_delay_ms);
        self.garbage.extend(changes.garbage.into_iter().map(|path| (due_ms, path)));
    }

    fn start_jobs(&mut self) {
        let now_ms = self.broker.clock.now_ms();
        self.relieve_pressure(now_ms);
        let most = self.encoders_in_use() + UPLOADS;
        while self.jobs.len() < most {
            let Some((id, reason)) = self.policy.take_due(now_ms) else {
                break;
            };
            let Some(target) = self.broker.partition_by_id(id) else {
                self.policy.closed(&id);
                continue;
            };
            let (broker, encoders) = (Arc::clone(&self.broker), Arc::clone(&self.encoders));
            self.jobs.spawn(async move { (id, reason, seal(&broker, &target, &encoders).await) });
        }
    }

    fn encoders_in_use(&self) -> usize {
        usize::try_from(self.broker.config.seal_concurrency).unwrap_or(1)
    }

    fn finish(&mut self, id: PartitionId, reason: Reason, result: Result<Attempt, SealError>) {
        let now_ms = self.broker.clock.now_ms();
        let housekeeping = &self.broker.housekeeping;
        let (attempt, bucket_failed) = match result {
            Ok(attempt) => {
                if let Attempt::Sealed { bytes, .. } = attempt {
                    self.broker.metrics.sealed(reason.name(), bytes);
                    self.broker.metrics.archive_failing.set(0);
                    housekeeping.set_trouble(None);
                }
                (attempt, false)
            }
            Err(SealError { error, bucket }) => {
                if !self.broker.stopping.is_cancelled() {
                    tracing::warn!(topic_id = %id.topic_id, partition = id.partition, %error, "sealing failed");
                }
                self.broker.metrics.seal_failures.inc();
                self.broker.metrics.archive_failing.set(1);
                housekeeping.set_trouble(Some(error.message.clone()));
                housekeeping.failed(id, error.message);
                (Attempt::Failed, bucket)
            }
        };
        // Records may have come while this ran; what the journal says now is what is left.
        let attempt = match (attempt, self.broker.partition_by_id(id).and_then(|p| p.watermarks().ok())) {
            (Attempt::Sealed { bytes, archived_end, .. }, Some(marks)) => {
                Attempt::Sealed { bytes, archived_end, high_watermark: marks.high_watermark }
            }
            (Attempt::HeldBack { .. }, Some(marks)) => {
                Attempt::HeldBack { high_watermark: marks.high_watermark, archived_end: marks.archived_end }
            }
            (attempt, _) => attempt,
        };
        self.policy.finished(id, attempt, bucket_failed, now_ms);
        housekeeping.progress.notify_waiters();
    }

    /// Seals early who keeps the log from shrinking, lets files go that nobody needs, and makes
    /// producers wait where that is not enough.
    fn relieve_pressure(&mut self, now_ms: i64) {
        if now_ms < self.next_pressure_ms {
            return;
        }
        self.next_pressure_ms = now_ms.saturating_add(PRESSURE_INTERVAL_MS);
        let (mut full, mut high) = (HashSet::new(), Vec::new());
        for (id, journal) in self.broker.journals.all_data() {
            let usage = journal.usage();
            let size = LogSize {
                total_bytes: usage.total_bytes.saturating_sub(usage.spare_bytes),
                live_bytes: usage.live_bytes,
                max_bytes: self.broker.hot_bytes_per_journal(),
            };
            if size.needs_brake() {
                full.insert(id);
            }
            if size.is_high() {
                high.push(journal.clone());
            }
            let excess = size.excess_bytes();
            if excess == 0 {
                continue;
            }
            let pins = journal.pins(usage.files.len().div_ceil(2)).into_iter().map(|pin| {
                let partition = pin.partition;
                let id = PartitionId { topic_id: partition.topic_id, partition: partition.partition };
                (id, pin.live_bytes)
            });
            let could_seal = |id: &PartitionId| self.policy.could_seal(id, now_ms);
            let sizes = journal.pins(usize::MAX).into_iter().map(|pin| pin.live_bytes);
            let small_too = pressure::small_too(sizes, excess);
            for id in pressure::choose(pins.collect(), excess, small_too, could_seal) {
                self.policy.press(id);
            }
        }
        self.may_be_pressed = !high.is_empty();
        self.broker.housekeeping.set_full(full);
        if self.may_be_pressed && self.reclaims.is_empty() {
            self.reclaims.spawn(async move {
                for journal in high {
                    if let Err(error) = journal.checkpoint_now().await {
                        tracing::warn!(journal = journal.id(), %error, "the log could not be made smaller");
                    }
                }
            });
        }
    }

    /// Retention and clean-up, one at a time, beside sealing.
    fn start_chores(&mut self) {
        if !self.chores.is_empty() {
            return;
        }
        let now_ms = self.broker.clock.now_ms();
        let broker = Arc::clone(&self.broker);
        if now_ms >= self.next_retention_ms {
            self.next_retention_ms = now_ms.saturating_add(broker.config.log_retention_check_interval_ms);
            self.chores.spawn(async move { retention::run(&broker).await });
        } else if now_ms >= self.next_search_ms {
            self.next_search_ms = now_ms.saturating_add(broker.config.archive_gc_interval_ms);
            self.chores.spawn(async move { cleanup::search(&broker).await });
        } else {
            let due = self.garbage.iter().take_while(|(due_ms, _)| *due_ms <= now_ms).count().min(DELETIONS);
            let paths: Vec<String> = self.garbage.drain(..due).map(|(_, path)| path).collect();
            if !paths.is_empty() {
                self.chores.spawn(async move { cleanup::delete(&broker, paths).await });
            }
        }
    }

    /// How long nothing has to be done, if nothing happens.
    fn wait(&self) -> Duration {
        let now_ms = self.broker.clock.now_ms();
        let mut next_ms = self.next_retention_ms.min(self.next_search_ms);
        let has_room = self.jobs.len() < self.encoders_in_use() + UPLOADS;
        if let Some(deadline_ms) = self.policy.next_deadline_ms().filter(|_| has_room) {
            next_ms = next_ms.min(deadline_ms);
        }
        if let Some((due_ms, _)) = self.garbage.front() {
            next_ms = next_ms.min(*due_ms);
        }
        if self.may_be_pressed {
            next_ms = next_ms.min(self.next_pressure_ms);
        }
        let wait_ms = u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or(0);
        // A chore under way ends this wait; one that is overdue must not make it spin.
        Duration::from_millis(wait_ms.clamp(1, 60_000).max(if self.chores.is_empty() { 1 } else { 50 }))
    }
}

fn seal_settings(config: &TopicConfig) -> SealSettings {
    SealSettings {
        segment_bytes: u64::try_from(config.segment_bytes).unwrap_or(u64::MAX),
        max_age_ms: config.archive_max_lag_ms.min(config.segment_ms),
        min_bytes: u64::try_from(config.archive_min_bytes).unwrap_or(0),
    }
}
