//! Function instances: position, guest state, and the one command that moves all of it together
//! with the outputs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::append::AppendPlan;
use crate::limits::{MAX_GUEST_KEY_BYTES, MAX_GUEST_STATE_BYTES, MAX_OUTBOX_BYTES};
use crate::outbox::checked_messages;
use crate::rows::RowKey;
use crate::state::State;
use crate::{ApplyContext, Effect, FunctionInstance, FunctionProgress, OpenFunction, Outcome, Rejection};

/// One function on one input partition.
#[derive(Debug, Default)]
pub struct FunctionState {
    /// The next input offset to read.
    pub position: i64,
    values: BTreeMap<Box<[u8]>, Box<[u8]>>,
    state_bytes: usize,
    pub(crate) outbox_bytes: usize,
}

/// An instance's row in a checkpoint; guest state and outbox have rows of their own.
#[derive(Serialize, Deserialize)]
pub(crate) struct FunctionRow {
    position: i64,
}

impl FunctionState {
    /// A value of the guest's state.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.values.get(key).map(AsRef::as_ref)
    }

    /// The guest's state, by key.
    pub fn values(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.values.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// Bytes of the guest's keys and values.
    pub fn state_bytes(&self) -> usize {
        self.state_bytes
    }

    /// Bytes of output that wait for other journals. At [`MAX_OUTBOX_BYTES`] progress is rejected.
    pub fn outbox_bytes(&self) -> usize {
        self.outbox_bytes
    }

    pub(crate) fn row(&self) -> FunctionRow {
        FunctionRow { position: self.position }
    }

    fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        if let Some(old) = self.values.remove(key) {
            self.state_bytes = self.state_bytes.saturating_sub(key.len() + old.len());
        }
        if let Some(value) = value {
            self.state_bytes = self.state_bytes.saturating_add(key.len() + value.len());
            self.values.insert(key.into(), value.into());
        }
    }

    /// Bounds of the guest's state after `changes`, of which the last one of a key counts.
    fn check_changes(&self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<(), Rejection> {
        let mut bytes = self.state_bytes;
        let mut last: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (key, value) in changes {
            if key.len() > MAX_GUEST_KEY_BYTES {
                return Err(Rejection::Invalid("key of function state is too long".into()));
            }
            last.insert(key, value.as_ref().map_or(0, |value| key.len() + value.len()));
        }
        for (key, new) in last {
            let old = self.values.get(key).map_or(0, |old| key.len() + old.len());
            bytes = bytes.saturating_sub(old).saturating_add(new);
        }
        if bytes > MAX_GUEST_STATE_BYTES {
            return Err(Rejection::Invalid("function state is too large".into()));
        }
        Ok(())
    }
}

impl State {
    pub(crate) fn open_function(&mut self, command: &OpenFunction) -> Result<Outcome, Rejection> {
        let OpenFunction { instance, position } = command;
        let input = instance.input;
        let partition = self.partitions.get(&input).ok_or(Rejection::UnknownPartition(input))?;
        if self.functions.contains_key(instance) {
            return Ok(Outcome::Done);
        }
        if *position < 0 || *position > partition.high_watermark {
            return Err(partition.out_of_range(*position));
        }
        let function = FunctionState { position: *position, ..FunctionState::default() };
        self.functions.insert(*instance, function);
        self.dirty.mark(RowKey::Function(*instance));
        Ok(Outcome::Done)
    }

    pub(crate) fn close_function(&mut self, instance: FunctionInstance) -> Outcome {
        if let Some(function) = self.functions.remove(&instance) {
            self.dirty.mark(RowKey::Function(instance));
            for key in function.values.into_keys() {
                self.dirty.mark(RowKey::GuestState(instance, key));
            }
        }
        self.forget_outboxes_of(instance);
        self.forget_received_from(instance);
        Outcome::Done
    }

    pub(crate) fn function_progress(
        &mut self,
        ctx: ApplyContext,
        command: &FunctionProgress,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        let instance = command.instance;
        self.check_progress(command)?;
        let mut plan = AppendPlan::default();
        let mut outputs = Vec::with_capacity(command.outputs.len());
        for (ordinal, append) in (0u32..).zip(&command.outputs) {
            outputs.push(plan.add(self, ctx, append, ordinal)?);
        }
        let messages = checked_messages(&command.outbox)?;
        // Nothing below can fail.
        self.commit_appends(plan, effects);
        self.queue_outbox(instance, messages, effects);
        if let Some(function) = self.functions.get_mut(&instance) {
            function.position = command.position;
            for (key, value) in &command.state_changes {
                function.set(key, value.as_deref());
                self.dirty.mark(RowKey::GuestState(instance, key.as_slice().into()));
            }
        }
        self.dirty.mark(RowKey::Function(instance));
        Ok(Outcome::Progressed(outputs))
    }

    fn check_progress(&self, command: &FunctionProgress) -> Result<(), Rejection> {
        let FunctionProgress { instance, expected_position, position, .. } = command;
        let function = self.functions.get(instance).ok_or(Rejection::UnknownFunction(*instance))?;
        if function.position != *expected_position {
            return Err(Rejection::Conflict { expected: *expected_position, found: function.position });
        }
        let input = instance.input;
        let partition = self.partitions.get(&input).ok_or(Rejection::UnknownPartition(input))?;
        if position < expected_position || *position > partition.last_stable_offset {
            return Err(partition.out_of_range(*position));
        }
        function.check_changes(&command.state_changes)?;
        let queued: usize = command.outbox.iter().map(|message| message.batch.0.len()).sum();
        if queued > 0 && function.outbox_bytes.saturating_add(queued) > MAX_OUTBOX_BYTES {
            return Err(Rejection::OutboxFull(*instance));
        }
        Ok(())
    }

    pub(crate) fn load_function(&mut self, instance: FunctionInstance, row: &FunctionRow) {
        let function = FunctionState { position: row.position, ..FunctionState::default() };
        self.functions.insert(instance, function);
    }

    pub(crate) fn load_guest_state(
        &mut self,
        instance: FunctionInstance,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), crate::Error> {
        let absent = || crate::Error::corrupt("state row", "guest state of an absent function");
        self.functions.get_mut(&instance).ok_or_else(absent)?.set(key, Some(value));
        Ok(())
    }
}
