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
    transactions.go_on_with(transactions.find(Look::default()).ending);
    let mut remove_at_ms = broker.clock.now_ms();
    loop {
        let config = broker.config();
        let interval_ms = i64::from(config.transaction_abort_timed_out_transaction_cleanup_interval_ms);
        let interval = Duration::from_millis(interval_ms.unsigned_abs().max(1));
        tokio::select! {
            () = broker.stopping.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        let now_ms = broker.clock.now_ms();
        let expiration_ms = i64::from(config.transactional_id_expiration_ms);
        let removes = now_ms >= remove_at_ms;
        let found = transactions.find(Look {
            overdue_at_ms: Some(now_ms),
            ending_before_ms: Some(now_ms.saturating_sub(interval_ms)),
            expiration_ms: removes.then_some((expiration_ms, now_ms)),
        });
        transactions.abort_overdue(found.overdue).await;
        // Whoever was to complete them may be gone.
        transactions.go_on_with(found.ending);
        if removes {
            let every_ms = config.transaction_remove_expired_transaction_cleanup_interval_ms;
            remove_at_ms = now_ms.saturating_add(i64::from(every_ms));
            transactions.remove_expired(found.expired, expiration_ms).await;
        }
    }
}

/// What to look for.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// Transactions that are open for too long at this time; none are looked for without.
    overdue_at_ms: Option<i64>,
    /// Transactions that have been ending since before this time; without, all that are ending.
    ending_before_ms: Option<i64>,
    /// Ids that nobody used for so long, at some time; none are looked for without.
    expiration_ms: Option<(i64, i64)>,
}

/// Ids that something is to be done about.
#[derive(Debug, Default)]
struct Found {
    overdue: Vec<String>,
    ending: Vec<String>,
    expired: Vec<String>,
}

impl Found {
    /// The list that a row's id belongs on.
    fn list_for(&mut self, row: &TransactionState, look: &Look) -> Option<&mut Vec<String>> {
        if look.overdue_at_ms.is_some_and(|now_ms| is_overdue(row, now_ms)) {
            Some(&mut self.overdue)
        } else if row.status.is_ending() && look.ending_before_ms.is_none_or(|ms| row.updated_at_ms < ms) {
            Some(&mut self.ending)
        } else if look.expiration_ms.is_some_and(|(after_ms, now_ms)| is_expired(row, after_ms, now_ms)) {
            Some(&mut self.expired)
        } else {
            None
        }
    }
}

impl Transactions {
    /// One pass over all rows.
    fn find(&self, look: Look) -> Found {
        let mut found = Found::default();
        for (_, journal) in self.journals.all_data() {
            journal.state(|state| {
                for (id, row) in state.transactions() {
                    if let Some(list) = found.list_for(row, &look) {
                        list.push(id.to_string());
                    }
                }
            });
        }
        found
    }

    /// Goes on with what a restart left behind, or what has been ending for long.
    fn go_on_with(self: &Arc<Self>, ids: Vec<String>) {
        for id in ids {
            tracing::warn!(transactional_id = id, "a transaction is still ending: going on with it");
            self.in_background(id);
        }
    }

    async fn abort_overdue(self: &Arc<Self>, ids: Vec<String>) {
        for id in ids {
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

    /// Forgets ids, and where those are placed that are gone: these here, and groups.
    async fn remove_expired(&self, ids: Vec<String>, expiration_ms: i64) {
        for id in ids {
            if self.stopping.is_cancelled() {
                return;
            }
            if let Err(error) = self.remove(&id, expiration_ms).await {
                tracing::warn!(transactional_id = id, %error, "a transactional id could not be forgotten yet");
            }
        }
        match self.journals.forget_placements().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "placements of groups and transactional ids are forgotten"),
            Err(error) => tracing::warn!(%error, "placements could not be forgotten yet"),
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
