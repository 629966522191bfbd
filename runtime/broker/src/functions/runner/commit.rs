//! Committing a function's progress: outputs, outbox and position as one command.
//!
//! Several commits may be on their way. Each names the position it expects, so when one fails all
//! behind it are rejected, nothing happens twice, and the run starts again from what holds.

use std::collections::VecDeque;
use std::sync::Arc;

use tidemill_journal::{Error as JournalError, Journal};
use tidemill_state::{
    Append, Command, FunctionInstance, FunctionProgress, OutboxBatch, OutboxMessage, Outcome, PartitionId,
    Rejection,
};

use super::outputs::Routed;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::{rejected, unexpected};

/// Output bytes at which a commit is made without waiting for more.
pub(super) const COMMIT_BYTES: usize = 1 << 20;
/// Commits on their way at once.
const MAX_IN_FLIGHT: usize = 4;

type Submitted = std::pin::Pin<Box<dyn Future<Output = Result<Outcome, JournalError>> + Send>>;

/// Gathers steps and commits them in order.
pub(super) struct Committer {
    broker: Arc<Broker>,
    journal: Journal,
    instance: FunctionInstance,
    /// The position after everything submitted.
    submitted: i64,
    /// The position after everything gathered.
    position: i64,
    outputs: Vec<Routed>,
    bytes: usize,
    in_flight: VecDeque<Submitted>,
}

impl Committer {
    pub(super) fn new(
        broker: Arc<Broker>,
        journal: Journal,
        instance: FunctionInstance,
        position: i64,
    ) -> Self {
        Self {
            broker,
            journal,
            instance,
            submitted: position,
            position,
            outputs: Vec::new(),
            bytes: 0,
            in_flight: VecDeque::new(),
        }
    }

    /// The next offset to read.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// Adds the result of one call.
    pub(super) fn add(&mut self, outputs: Vec<Routed>, next_offset: i64) {
        self.bytes += outputs.iter().map(|routed| routed.batch.size_bytes()).sum::<usize>();
        self.outputs.extend(outputs);
        self.move_to(next_offset);
    }

    /// Moves over offsets without outputs.
    pub(super) fn move_to(&mut self, next_offset: i64) {
        self.position = self.position.max(next_offset);
    }

    /// Commits where enough has gathered, or nothing is on its way that could be waited for.
    pub(super) async fn submit_if_large(&mut self) -> Result<(), Error> {
        if self.bytes >= COMMIT_BYTES || self.in_flight.is_empty() {
            return self.submit().await;
        }
        Ok(())
    }

    /// Commits what has gathered; waits only where too much is on its way.
    pub(super) async fn submit(&mut self) -> Result<(), Error> {
        if self.position == self.submitted {
            return Ok(());
        }
        while self.in_flight.len() >= MAX_IN_FLIGHT {
            self.settle_oldest().await?;
        }
        self.journal.room().await;
        let command = Command::FunctionProgress(self.take_progress());
        self.submitted = self.position;
        self.in_flight.push_back(Box::pin(self.journal.submit(command)));
        Ok(())
    }

    /// Commits everything and waits until it is durable.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        let submitted = self.submit().await;
        let mut result = submitted;
        while !self.in_flight.is_empty() {
            let settled = self.settle_oldest().await;
            // The first failure is the cause; those behind it only follow.
            result = result.and(settled);
        }
        result
    }

    fn take_progress(&mut self) -> FunctionProgress {
        let now_ms = self.broker.clock.now_ms();
        let mut outputs: Vec<Append> = Vec::new();
        let mut outbox = Vec::new();
        for routed in self.outputs.drain(..) {
            if routed.journal == self.journal.id() {
                append_to(&mut outputs, routed.partition, now_ms).batches.push(routed.batch.into_bytes());
            } else {
                let batch = OutboxBatch(routed.batch.bytes().to_vec());
                outbox.push(OutboxMessage { target: routed.partition, batch });
            }
        }
        self.bytes = 0;
        FunctionProgress {
            instance: self.instance,
            expected_position: self.submitted,
            position: self.position,
            outputs,
            outbox,
            state_changes: Vec::new(),
            now_ms,
        }
    }

    async fn settle_oldest(&mut self) -> Result<(), Error> {
        let Some(oldest) = self.in_flight.pop_front() else {
            return Ok(());
        };
        match oldest.await? {
            Outcome::Progressed(_) => Ok(()),
            Outcome::Rejected(rejection) => Err(refusal(&rejection)),
            other => Err(unexpected(&other)),
        }
    }
}

fn append_to(appends: &mut Vec<Append>, partition: PartitionId, now_ms: i64) -> &mut Append {
    let at = appends.iter().position(|append| append.partition == partition).unwrap_or(appends.len());
    if at == appends.len() {
        appends.push(Append { partition, batches: Vec::new(), now_ms });
    }
    // `at` is below the length by now.
    #[allow(clippy::indexing_slicing, reason = "the element at `at` was found or pushed just above")]
    &mut appends[at]
}

fn refusal(rejection: &Rejection) -> Error {
    match rejection {
        Rejection::UnknownFunction(_) => Error::new(ErrorKind::Conflict, rejection.to_string()),
        other => rejected(other),
    }
}
