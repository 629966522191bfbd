//! Transactional ids: one row each, replaced by compare-and-set. What follows on what is decided by
//! the coordinator; here is only checked that it is one of Kafka's transitions and within bounds.

use std::sync::Arc;

use crate::limits::{
    MAX_STRING_BYTES, MAX_TRANSACTION_GROUPS, MAX_TRANSACTION_PARTITIONS, MAX_TRANSACTIONAL_IDS,
};
use crate::rows::RowKey;
use crate::state::State;
use crate::{ApplyContext, DeleteTransaction, Outcome, PutTransaction, Rejection, TransactionState};

impl State {
    pub(crate) fn put_transaction(
        &mut self,
        ctx: ApplyContext,
        command: &PutTransaction,
    ) -> Result<Outcome, Rejection> {
        let PutTransaction { transactional_id, expected_revision, transaction } = command;
        let known = self.transactions.get_key_value(transactional_id.as_str());
        self.check_revision(transactional_id, *expected_revision)?;
        check_bounds(transactional_id, transaction)?;
        if known.is_some_and(|(_, known)| !known.status.may_become(transaction.status)) {
            return Err(Rejection::Invalid("no such transition of a transaction".into()));
        }
        if known.is_none() && self.transactions.len() >= MAX_TRANSACTIONAL_IDS {
            return Err(Rejection::Invalid("too many transactional ids".into()));
        }
        let id = known.map_or_else(|| transactional_id.as_str().into(), |(id, _)| Arc::clone(id));
        let transaction = TransactionState {
            revision: expected_revision.saturating_add(1),
            coordinator_epoch: i32::try_from(ctx.term).unwrap_or(i32::MAX),
            ..transaction.clone()
        };
        self.dirty.mark(RowKey::Transaction(Arc::clone(&id)));
        self.transactions.insert(id, transaction);
        Ok(Outcome::Done)
    }

    pub(crate) fn delete_transaction(&mut self, command: &DeleteTransaction) -> Result<Outcome, Rejection> {
        let id = command.transactional_id.as_str();
        let known = self.transactions.get(id).ok_or_else(|| Rejection::NotFound(id.into()))?;
        self.check_revision(id, command.expected_revision)?;
        if !known.partitions.is_empty() || !known.groups.is_empty() || known.status.is_ending() {
            return Err(Rejection::Invalid("a transaction is under way".into()));
        }
        if let Some((id, _)) = self.transactions.remove_entry(id) {
            self.dirty.mark(RowKey::Transaction(id));
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn set_producer_expiry(&mut self, expiry_ms: i64) -> Result<Outcome, Rejection> {
        if expiry_ms <= 0 {
            return Err(Rejection::Invalid("time to remember producers for".into()));
        }
        if self.producer_expiry_ms != Some(expiry_ms) {
            self.producer_expiry_ms = Some(expiry_ms);
            self.dirty.mark(RowKey::ProducerExpiry);
        }
        Ok(Outcome::Done)
    }

    fn check_revision(&self, id: &str, expected: u64) -> Result<(), Rejection> {
        let found = self.transactions.get(id).map_or(0, |known| known.revision);
        if found == expected {
            return Ok(());
        }
        let clamp = |revision| i64::try_from(revision).unwrap_or(i64::MAX);
        Err(Rejection::Conflict { expected: clamp(expected), found: clamp(found) })
    }
}

fn check_bounds(id: &str, transaction: &TransactionState) -> Result<(), Rejection> {
    let refuse = |what: &str| Err(Rejection::Invalid(what.into()));
    if id.is_empty() || id.len() > MAX_STRING_BYTES {
        return refuse("transactional id");
    }
    let TransactionState { partitions, groups, .. } = transaction;
    if partitions.len() > MAX_TRANSACTION_PARTITIONS || !partitions.is_sorted_by(|a, b| a < b) {
        return refuse("partitions of a transaction");
    }
    let fits = |group: &String| group.len() <= MAX_STRING_BYTES;
    if groups.len() > MAX_TRANSACTION_GROUPS || !groups.is_sorted_by(|a, b| a < b) || !groups.iter().all(fits)
    {
        return refuse("groups of a transaction");
    }
    if transaction.producer_id < 0 || transaction.producer_epoch < -1 {
        return refuse("producer of a transaction");
    }
    Ok(())
}
