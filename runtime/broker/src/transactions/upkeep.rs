//! What the coordinator does by itself: it goes on where a restart left off, aborts transactions
//! that are open for too long, and forgets ids that nobody uses.

use std::sync::Arc;
use std::time::Duration;

use tidemill_state::{Command, DeleteTransaction, Outcome, Rejection, TransactionState};
use tidemill_transactions::{abort, is_expired, is_overdue};

use super::{Step, Transactions};
use crate::broker::Broker;
use crate::error::Error;
use crate::journals::rejected;

/// Looks at all transactional ids every now and then, until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    let transactions = Arc::clone(&broker.transactions);
    for id in transactions.find(|state| state.status.is_ending()) {
        transactions.in_background(id);
    }
    let mut remove_at_ms = broker.clock.now_ms();
    loop {
        let config = broker.config();
        let interval_ms = config.transaction_abort_timed_out_transaction_cleanup_interval_ms;
        let interval = Duration::from_millis(u64::try_from(interval_ms).unwrap_or(0).max(1));
        tokio::select! {
            () = broker.stopping.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        transactions.abort_overdue().await;
        transactions.go_on_with_old(i64::from(interval_ms));
        let now_ms = broker.clock.now_ms();
        if now_ms >= remove_at_ms {
            let every_ms = config.transaction_remove_expired_transaction_cleanup_interval_ms;
            remove_at_ms = now_ms.saturating_add(i64::from(every_ms));
            transactions.remove_expired(i64::from(config.transactional_id_expiration_ms)).await;
        }
    }
}

impl Transactions {
    /// Ids whose row is of some kind.
    fn find(&self, is_wanted: impl Fn(&TransactionState) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for (_, journal) in self.journals.all_data() {
            journal.state(|state| {
                let wanted = state.transactions().iter().filter(|(_, row)| is_wanted(row));
                found.extend(wanted.map(|(id, _)| id.to_string()));
            });
        }
        found
    }

    /// Goes on with what has been ending since the last look: whoever was to complete it may be gone.
    fn go_on_with_old(self: &Arc<Self>, interval_ms: i64) {
        let before_ms = self.clock.now_ms().saturating_sub(interval_ms);
        for id in self.find(|state| state.status.is_ending() && state.updated_at_ms < before_ms) {
            tracing::warn!(transactional_id = id, "a transaction has been ending for long: going on with it");
            self.in_background(id);
        }
    }

    async fn abort_overdue(self: &Arc<Self>) {
        let now_ms = self.clock.now_ms();
        for id in self.find(|state| is_overdue(state, now_ms)) {
            if self.stopping.is_cancelled() {
                return;
            }
            let aborted = self.decide(&id, |known, _, now_ms| {
                Ok(match known.filter(|state| is_overdue(state, now_ms)) {
                    Some(state) => Step::Put(abort(state, now_ms), true),
                    None => Step::Answer(false),
                })
            });
            match aborted.await {
                Ok(true) => {
                    tracing::info!(
                        transactional_id = id,
                        "a transaction was open for too long: it is aborted"
                    );
                    self.in_background(id);
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(transactional_id = id, %error, "a transaction could not be aborted yet");
                }
            }
        }
    }

    async fn remove_expired(&self, expiration_ms: i64) {
        let now_ms = self.clock.now_ms();
        for id in self.find(|state| is_expired(state, expiration_ms, now_ms)) {
            if self.stopping.is_cancelled() {
                return;
            }
            if let Err(error) = self.remove(&id, expiration_ms).await {
                tracing::warn!(transactional_id = id, %error, "a transactional id could not be forgotten yet");
            }
        }
    }

    async fn remove(&self, id: &str, expiration_ms: i64) -> Result<(), Error> {
        let Some(journal) = self.journals.home(id) else {
            return Ok(());
        };
        let now_ms = self.clock.now_ms();
        let revision = journal.state(|state| {
            let row = state.transaction(id).filter(|row| is_expired(row, expiration_ms, now_ms));
            row.map(|row| row.revision)
        });
        let Some(expected_revision) = revision else {
            return Ok(());
        };
        let delete = DeleteTransaction { transactional_id: id.to_owned(), expected_revision };
        match journal.propose(Command::DeleteTransaction(delete)).await? {
            // Somebody came back to it.
            Outcome::Rejected(Rejection::Conflict { .. } | Rejection::NotFound(_)) => Ok(()),
            Outcome::Rejected(rejection) => Err(rejected(&rejection)),
            _ => Ok(()),
        }
    }
}
