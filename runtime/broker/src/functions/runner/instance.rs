//! One run of an instance: from its position until it has caught up.

use std::sync::Arc;

use tidemill_functions::{Instance, LogLevel};
use tidemill_records::RecordBatch;
use tidemill_state::FunctionInstance;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::commit::Committer;
use super::open_instance;
use super::slice::Slice;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::functions::catalog::Deployment;
use crate::partition::Partition;

/// How much of the log is read at a time.
const READ_BYTES: usize = 1 << 20;

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing is left to do for now, or for this deployment.
    CaughtUp,
    /// Something failed that may work later.
    Again,
    /// A record failed and the policy is to stop, or the function cannot go on as it is deployed.
    Stopped(String),
}

/// An instance at work.
pub(super) struct Run {
    pub(super) broker: Arc<Broker>,
    pub(super) deployment: Arc<Deployment>,
    pub(super) input: Partition,
    pub(super) topic_name: Arc<str>,
    pub(super) guest: Instance,
    pub(super) committer: Committer,
    pub(super) stopping: CancellationToken,
    /// Given back while there is nothing to do but wait.
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

impl Run {
    /// Prepares a run; none where the input is gone or nothing is new.
    pub(super) async fn start(
        broker: &Arc<Broker>,
        deployment: &Arc<Deployment>,
        instance: FunctionInstance,
    ) -> Result<Option<Self>, Error> {
        let Some(input) = broker.partition_by_id(instance.input) else {
            return Ok(None);
        };
        // A partition that came after the deployment is read from its beginning.
        open_instance(broker, instance, tidemill_state::StartPosition::Earliest).await?;
        let marks = input.watermarks()?;
        let position =
            input.journal.state(|state| state.function(&instance).map(|function| function.position));
        let Some(position) = position.filter(|position| *position < marks.last_stable_offset) else {
            return Ok(None);
        };
        let module = deployment.module(broker).await?;
        let options = deployment.instance_options(&input.topic.name, instance.input.partition)?;
        Ok(Some(Self {
            guest: module.instantiate(options),
            committer: Committer::new(Arc::clone(broker), input.journal.clone(), instance, position),
            topic_name: input.topic.name.as_str().into(),
            stopping: broker.stopping(),
            turn: None,
            broker: Arc::clone(broker),
            deployment: Arc::clone(deployment),
            input,
        }))
    }

    /// Works until it has caught up. What is ready is committed, however it ends.
    pub(super) async fn run_to_the_end(mut self) -> End {
        let end = loop {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => break End::CaughtUp,
                Err(end) => break end,
            }
        };
        match self.committer.finish().await {
            Ok(()) => end,
            // A stop would hide that what came before the bad record is not committed.
            Err(error) => self.commit_failed(&error),
        }
    }

    /// Reads once and works through what came; false where there was nothing.
    async fn step(&mut self) -> Result<bool, End> {
        if self.is_over() {
            return Ok(false);
        }
        self.turn = self.broker.functions.scheduler.turn().await;
        let position = self.committer.position();
        let read = match self.broker.read_committed(self.input.id, position, READ_BYTES).await {
            Ok(read) => read,
            Err(error) if error.kind == ErrorKind::OffsetOutOfRange => return self.skip_to_start().await,
            Err(error) if error.kind == ErrorKind::UnknownTopicOrPartition => return Ok(false),
            Err(error) => return Err(self.again(&error)),
        };
        if read.next_offset <= position {
            return Ok(false);
        }
        self.work_through(&read.batches, position).await?;
        self.committer.move_to(read.next_offset);
        self.flush(false).await?;
        Ok(true)
    }

    /// Processes the records from `position` on, of as many batches at a time as come to [`READ_BYTES`] uncompressed.
    async fn work_through(&mut self, batches: &[RecordBatch], position: i64) -> Result<(), End> {
        let (mut slices, mut bytes) = (Vec::new(), 0);
        for batch in batches {
            match Slice::of_batch(batch, position) {
                Ok(Some(slice)) => {
                    bytes += slice.records.len();
                    slices.push(slice);
                }
                Ok(None) => {}
                Err(error) => {
                    self.process(slices).await?;
                    return Err(self.stopped(batch.base_offset(), &error.to_string()));
                }
            }
            if bytes >= READ_BYTES {
                self.process(std::mem::take(&mut slices)).await?;
                bytes = 0;
            }
        }
        self.process(slices).await
    }

    /// Retention has overtaken the function: what is gone cannot be processed any more.
    async fn skip_to_start(&mut self) -> Result<bool, End> {
        let start = self.input.watermarks().map_err(|error| self.again(&error))?.log_start_offset;
        let position = self.committer.position();
        if start <= position {
            return Ok(false);
        }
        let text = format!(
            "{}-{}: records {position} to {} were deleted before they were read",
            self.topic_name,
            self.input.id.partition,
            start - 1
        );
        tracing::warn!(function = %self.deployment.metadata.name, "{text}");
        self.deployment.log(LogLevel::Warn, &text);
        self.committer.move_to(start);
        self.flush(true).await?;
        Ok(true)
    }

    /// Whether this run has no business any more.
    pub(super) fn is_over(&self) -> bool {
        self.deployment.is_retired() || self.stopping.is_cancelled()
    }

    /// Submits what is ready if it is worth it, or in any case.
    pub(super) async fn flush(&mut self, in_any_case: bool) -> Result<(), End> {
        let flushed =
            if in_any_case { self.committer.submit().await } else { self.committer.submit_if_large().await };
        flushed.map_err(|error| self.commit_failed(&error))
    }

    fn commit_failed(&self, error: &Error) -> End {
        match error.kind {
            // Another commit got ahead, or the outcome of ours is not known: look where we are.
            ErrorKind::Conflict => End::Again,
            _ => self.again(error),
        }
    }

    fn again(&self, error: &Error) -> End {
        let place = format!("{}-{}", self.topic_name, self.input.id.partition);
        tracing::warn!(function = %self.deployment.metadata.name, %place, %error, "a function is held up");
        self.deployment.log(LogLevel::Warn, &format!("{place}: held up: {error}"));
        End::Again
    }

    /// An end at a record, with everything that somebody needs to know to act.
    pub(super) fn stopped(&self, offset: i64, why: &str) -> End {
        let text = self.describe_failure(offset, why);
        tracing::error!("{text}; the function stands still here until it is resumed or deployed anew");
        self.deployment.log(LogLevel::Error, &text);
        End::Stopped(text)
    }

    /// Which function, version, partition, offset and why.
    pub(super) fn describe_failure(&self, offset: i64, why: &str) -> String {
        let metadata = &self.deployment.metadata;
        format!(
            "function {} version {} on {}-{} at offset {offset}: {why}",
            metadata.name, metadata.version, self.topic_name, self.input.id.partition
        )
    }
}
