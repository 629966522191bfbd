//! Outboxes: outputs for partitions of other journals, committed here with the progress that made
//! them and delivered in order afterwards; and on the receiving side, what was taken already.
//!
//! A stream's sequence numbers begin at 1 and have no gaps. The receiver keeps the highest one
//! taken, so a message delivered twice is appended once.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use crate::append::AppendPlan;
use crate::rows::RowKey;
use crate::state::State;
use crate::{AcceptOutbox, ApplyContext, Effect, Error, FunctionInstance, OutboxDelivered, Outcome};
use crate::{OutboxMessage, OutboxStream, PartitionId, Rejection};

/// The undelivered messages of one stream.
#[derive(Debug)]
pub struct Outbox {
    next_sequence: u64,
    messages: BTreeMap<u64, Bytes>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { next_sequence: 1, messages: BTreeMap::new() }
    }
}

impl Outbox {
    /// Undelivered batches by sequence number.
    pub fn messages(&self) -> &BTreeMap<u64, Bytes> {
        &self.messages
    }

    /// Sequence number that the next message will get.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }
}

impl State {
    /// Queues messages that [`checked_messages`] let through.
    pub(crate) fn queue_outbox(
        &mut self,
        instance: FunctionInstance,
        messages: Vec<(PartitionId, Bytes)>,
        effects: &mut Vec<Effect>,
    ) {
        let mut touched: BTreeMap<OutboxStream, u64> = BTreeMap::new();
        for (target, batch) in messages {
            let stream = OutboxStream { instance, target };
            let outbox = self.outboxes.entry(stream).or_default();
            let sequence = outbox.next_sequence;
            outbox.next_sequence = sequence.saturating_add(1);
            let bytes = batch.len();
            outbox.messages.insert(sequence, batch);
            self.dirty.mark(RowKey::OutboxMessage(stream, sequence));
            touched.insert(stream, sequence);
            self.add_outbox_bytes(instance, bytes);
        }
        for (stream, last_sequence) in touched {
            self.dirty.mark(RowKey::Outbox(stream));
            effects.push(Effect::OutboxQueued { stream, last_sequence });
        }
    }

    pub(crate) fn outbox_delivered(&mut self, command: &OutboxDelivered) -> Result<Outcome, Rejection> {
        let OutboxDelivered { stream, last_sequence } = command;
        let Some(outbox) = self.outboxes.get_mut(stream) else {
            return Err(Rejection::UnknownFunction(stream.instance));
        };
        if *last_sequence >= outbox.next_sequence {
            return Err(Rejection::Invalid("delivered more than was queued".into()));
        }
        let mut bytes = 0;
        while let Some(first) = outbox.messages.first_entry() {
            if first.key() > last_sequence {
                break;
            }
            self.dirty.mark(RowKey::OutboxMessage(*stream, *first.key()));
            bytes += first.remove().len();
        }
        if let Some(function) = self.functions.get_mut(&stream.instance) {
            function.outbox_bytes = function.outbox_bytes.saturating_sub(bytes);
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn accept_outbox(
        &mut self,
        ctx: ApplyContext,
        command: &AcceptOutbox,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        let AcceptOutbox { stream, first_sequence, append } = command;
        let count = append.batches.len() as u64;
        if append.partition != stream.target || *first_sequence == 0 || count == 0 {
            return Err(Rejection::Invalid("outbox delivery".into()));
        }
        let taken = self.outbox_taken(stream);
        if *first_sequence > taken.saturating_add(1) {
            let (expected, found) = (clamp(*first_sequence), clamp(taken.saturating_add(1)));
            return Err(Rejection::Conflict { expected, found });
        }
        let end = first_sequence.saturating_add(count);
        if end <= taken.saturating_add(1) {
            return Ok(Outcome::OutboxAccepted { last_sequence: taken });
        }
        let skip = usize::try_from(taken.saturating_add(1) - first_sequence).unwrap_or(usize::MAX);
        let mut plan = AppendPlan::default();
        plan.add_from(self, ctx, append, 0, skip)?;
        self.commit_appends(plan, effects);
        let last_sequence = end.saturating_sub(1);
        self.received.insert((stream.target, stream.instance), last_sequence);
        self.dirty.mark(RowKey::Received(*stream));
        Ok(Outcome::OutboxAccepted { last_sequence })
    }

    pub(crate) fn forget_outboxes_of(&mut self, instance: FunctionInstance) {
        let streams: Vec<_> = self.outboxes_of(&instance).map(|(stream, _)| *stream).collect();
        for stream in streams {
            for sequence in self.outboxes.remove(&stream).into_iter().flat_map(|o| o.messages.into_keys()) {
                self.dirty.mark(RowKey::OutboxMessage(stream, sequence));
            }
            self.dirty.mark(RowKey::Outbox(stream));
        }
    }

    /// Forgets what a closed partition took.
    pub(crate) fn forget_received_by(&mut self, target: PartitionId) {
        let first = FunctionInstance {
            function_id: Uuid::nil(),
            input: PartitionId { topic_id: Uuid::nil(), partition: i32::MIN },
        };
        let streams = self.received.range((target, first)..).map(|(stream, _)| *stream);
        let gone = streams.take_while(|(of, _)| *of == target).collect();
        self.forget_received(gone);
    }

    /// Forgets what was taken from a closed function.
    pub(crate) fn forget_received_from(&mut self, instance: FunctionInstance) {
        let gone = self.received.keys().filter(|(_, from)| *from == instance).copied().collect();
        self.forget_received(gone);
    }

    fn forget_received(&mut self, streams: Vec<(PartitionId, FunctionInstance)>) {
        for (target, instance) in streams {
            self.received.remove(&(target, instance));
            self.dirty.mark(RowKey::Received(OutboxStream { instance, target }));
        }
    }

    fn add_outbox_bytes(&mut self, instance: FunctionInstance, bytes: usize) {
        if let Some(function) = self.functions.get_mut(&instance) {
            function.outbox_bytes = function.outbox_bytes.saturating_add(bytes);
        }
    }

    pub(crate) fn load_outbox(&mut self, stream: OutboxStream, next_sequence: u64) -> Result<(), Error> {
        if next_sequence == 0 || !self.functions.contains_key(&stream.instance) {
            return Err(Error::corrupt("state row", "outbox of an absent function"));
        }
        self.outboxes.insert(stream, Outbox { next_sequence, messages: BTreeMap::new() });
        Ok(())
    }

    pub(crate) fn load_outbox_message(
        &mut self,
        stream: OutboxStream,
        sequence: u64,
        batch: &[u8],
    ) -> Result<(), Error> {
        match self.outboxes.get_mut(&stream) {
            Some(outbox) if sequence > 0 && sequence < outbox.next_sequence => {
                outbox.messages.insert(sequence, Bytes::copy_from_slice(batch));
                self.add_outbox_bytes(stream.instance, batch.len());
                Ok(())
            }
            _ => Err(Error::corrupt("state row", "message of an absent outbox")),
        }
    }
}

/// The batches of outbox messages. A receiver would refuse one that is none, and block the stream.
pub(crate) fn checked_messages(messages: &[OutboxMessage]) -> Result<Vec<(PartitionId, Bytes)>, Rejection> {
    let check = |message: &OutboxMessage| {
        let batch = Bytes::copy_from_slice(&message.batch.0);
        AppendPlan::check_batch(&batch)?;
        Ok((message.target, batch))
    };
    messages.iter().map(check).collect()
}

fn clamp(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
