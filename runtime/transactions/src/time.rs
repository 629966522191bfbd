//! What time does to a transactional id.

use tidemill_state::{TransactionState, TransactionStatus};

/// Whether its transaction has been open for longer than the producer allowed.
#[must_use]
pub fn is_overdue(state: &TransactionState, now_ms: i64) -> bool {
    let due_ms = state.started_at_ms.saturating_add(i64::from(state.timeout_ms));
    state.status == TransactionStatus::Ongoing && due_ms < now_ms
}

/// Whether it has been idle for so long that it is forgotten (`transactional.id.expiration.ms`).
#[must_use]
pub fn is_expired(state: &TransactionState, expiration_ms: i64, now_ms: i64) -> bool {
    let idle = matches!(
        state.status,
        TransactionStatus::Empty | TransactionStatus::CompleteCommit | TransactionStatus::CompleteAbort
    );
    idle && state.updated_at_ms.saturating_add(expiration_ms) <= now_ms
}
