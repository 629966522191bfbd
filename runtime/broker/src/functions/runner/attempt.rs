//! Calling the guest, and what to do when it fails.
//!
//! Nothing of a failed call counts. Where the guest named the record at fault, it is taken out;
//! otherwise the call is made again on halves until one record is left. What happens to that record
//! is the deployment's policy.

use std::collections::VecDeque;

use tidemill_functions::{BatchFacts, CallError, LogLevel, Output, delivery_id};
use tidemill_state::{ErrorPolicy, FunctionKind};

use super::commit::COMMIT_BYTES;
use super::dead_letter;
use super::instance::{End, Run};
use super::outputs::{Routed, route};
use super::scheduler::Pause;
use super::slice::Slice;

/// Calls handed over together: enough for the hand-over not to count, and what waits is not gone through for each call.
const CALLS_TOGETHER: usize = 128;

/// Why a call gave nothing.
enum Fault {
    /// It may work later; the records are not to blame.
    Later(String),
    /// A record is to blame: the one at this offset delta, if the guest named it.
    Record { offset_delta: Option<i32>, why: String },
}

impl Run {
    /// Works through slices, to the last record or to one that the function stops at.
    pub(super) async fn process(&mut self, slices: Vec<Slice>) -> Result<(), End> {
        let mut waiting = VecDeque::from(slices);
        let mut pause = Pause::default();
        while !waiting.is_empty() {
            if self.is_over() {
                return Err(End::CaughtUp);
            }
            for result in self.call(&waiting).await {
                let Some(slice) = waiting.pop_front() else { break };
                match result.and_then(|outputs| self.route(outputs)) {
                    Ok(outputs) => {
                        pause = Pause::default();
                        self.done(outputs, &slice).await?;
                    }
                    Err(fault) => {
                        let parts = self.recover(slice, fault, &mut pause).await?;
                        parts.into_iter().rev().for_each(|part| waiting.push_front(part));
                        // Results of what comes after it, if there are any, do not count: it is called again.
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Deals with a slice whose call gave nothing; returns what is left to do of it.
    async fn recover(&mut self, slice: Slice, fault: Fault, pause: &mut Pause) -> Result<Vec<Slice>, End> {
        let (offset_delta, why) = match fault {
            Fault::Later(why) => {
                self.wait(&slice, &why, pause).await?;
                return Ok(vec![slice]);
            }
            Fault::Record { offset_delta, why } => (offset_delta, why),
        };
        match self.isolate(&slice, offset_delta)? {
            Some(parts) => Ok(parts.into_iter().filter(|part| part.count > 0).collect()),
            None => self.give_up(&slice, &why).await.map(|()| Vec::new()),
        }
    }

    async fn wait(&mut self, slice: &Slice, why: &str, pause: &mut Pause) -> Result<(), End> {
        let text = self.describe_failure(slice.first_offset, why);
        tracing::warn!("{text}; it is tried again");
        self.deployment.log(LogLevel::Warn, &format!("{text}; it is tried again"));
        // What was done before must not wait for a receiver that is down.
        self.flush(true).await?;
        let stopping = self.stopping.clone();
        self.turn = None;
        pause.wait(&stopping).await;
        self.turn = self.broker.functions.scheduler.turn().await;
        Ok(())
    }

    async fn done(&mut self, outputs: Vec<Routed>, slice: &Slice) -> Result<(), End> {
        self.committer.add(outputs, slice.next_offset);
        // A sink's position is noted after each delivery, so that little is delivered again after a crash.
        let is_sink = self.deployment.metadata.kind == FunctionKind::Sink;
        self.flush(is_sink).await
    }

    /// Smaller slices that bring the record at fault closer to standing alone; none if it does.
    fn isolate(&self, slice: &Slice, offset_delta: Option<i32>) -> Result<Option<Vec<Slice>>, End> {
        if slice.count <= 1 {
            return Ok(None);
        }
        let named = offset_delta.map(|delta| slice.around(delta)).transpose();
        let parts = match named {
            Ok(Some(Some(parts))) => Ok(parts.to_vec()),
            // No record was named, or one that is not there.
            Ok(_) => slice.halves().map(|(first, second)| vec![first, second]),
            Err(error) => Err(error),
        };
        parts.map(Some).map_err(|error| self.stopped(slice.first_offset, &error.to_string()))
    }

    async fn give_up(&mut self, slice: &Slice, why: &str) -> Result<(), End> {
        let policy = self.deployment.metadata.on_error;
        if policy == ErrorPolicy::Stop {
            return Err(self.stopped(slice.first_offset, why));
        }
        let text = self.describe_failure(slice.first_offset, why);
        tracing::warn!("{text}; the record is passed over ({policy:?})");
        self.deployment.log(LogLevel::Error, &text);
        let outputs = match policy {
            ErrorPolicy::DeadLetter => vec![self.dead_letter(slice, why)?],
            ErrorPolicy::Skip | ErrorPolicy::Stop => Vec::new(),
        };
        self.done(outputs, slice).await
    }

    fn dead_letter(&self, slice: &Slice, why: &str) -> Result<Routed, End> {
        dead_letter::build(&self.broker, &self.deployment.metadata, &self.input, slice, why)
            .map_err(|error| self.stopped(slice.first_offset, &format!("{why}; dead letter: {error}")))
    }

    /// Calls the guest with the first of these slices, a transform with as many as fit one commit.
    async fn call(&mut self, slices: &VecDeque<Slice>) -> Vec<Result<Vec<Output>, Fault>> {
        let stopping = self.stopping.clone();
        let is_sink = self.deployment.metadata.kind == FunctionKind::Sink;
        let together = if is_sink { 1 } else { CALLS_TOGETHER };
        let sections: Vec<_> =
            slices.iter().take(together).map(|slice| (self.facts(slice), slice.records.clone())).collect();
        let id = slices.front().filter(|_| is_sink).map(|slice| self.delivery_id(slice));
        let calls = async {
            match (id, sections.first()) {
                (Some(id), Some((facts, records))) => {
                    vec![self.guest.sink(facts.clone(), id, records.clone()).await.map(|()| Vec::new())]
                }
                _ => self.guest.transform_each(sections, COMMIT_BYTES).await,
            }
        };
        tokio::select! {
            biased;
            () = stopping.cancelled() => vec![Err(Fault::Later("the broker is stopping".to_owned()))],
            results = calls => results.into_iter().map(|result| result.map_err(fault)).collect(),
        }
    }

    fn facts(&self, slice: &Slice) -> BatchFacts {
        BatchFacts {
            topic: self.topic_name.clone(),
            partition: self.input.id.partition,
            base_offset: slice.base_offset,
            base_timestamp: slice.base_timestamp,
            log_append_time: slice.log_append_time,
            record_count: slice.count.unsigned_abs(),
        }
    }

    fn route(&self, outputs: Vec<Output>) -> Result<Vec<Routed>, Fault> {
        route(&self.broker, &self.deployment.metadata, &self.input, outputs)
            .map_err(|why| Fault::Record { offset_delta: None, why })
    }

    /// The same for the same records, and not that of another incarnation of the function or topic.
    fn delivery_id(&self, slice: &Slice) -> String {
        let metadata = &self.deployment.metadata;
        let function = format!("{}-{}", metadata.name, metadata.function_id.simple());
        let topic = format!("{}-{}", self.topic_name, self.input.id.topic_id.simple());
        delivery_id(&function, &topic, self.input.id.partition, slice.first_offset, slice.next_offset - 1)
    }
}

fn fault(error: CallError) -> Fault {
    let why = error.to_string();
    match error {
        CallError::Failed { retry: true, .. } | CallError::TooManyInstances(_) | CallError::Host(_) => {
            Fault::Later(why)
        }
        CallError::Failed { offset_delta, .. } => Fault::Record { offset_delta, why },
        _ => Fault::Record { offset_delta: None, why },
    }
}
