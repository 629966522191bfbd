//! ListTransactions, with Kafka's filters.

use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use regex_lite::{Regex, RegexBuilder};
use tidemill_broker::{TransactionFilter, TransactionStatus};

use super::{status_name, text};
use crate::codes;
use crate::service::Call;

/// Bound of a compiled pattern.
const MAX_PATTERN_BYTES: usize = 64 << 10;

const STATUSES: [TransactionStatus; 6] = [
    TransactionStatus::Empty,
    TransactionStatus::Ongoing,
    TransactionStatus::PrepareCommit,
    TransactionStatus::PrepareAbort,
    TransactionStatus::CompleteCommit,
    TransactionStatus::CompleteAbort,
];
/// States of Kafka's that no id is ever seen in here.
const NEVER: [&str; 2] = ["Dead", "PrepareEpochFence"];

pub(crate) async fn handle(call: &Call<'_>, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let pattern = request.transactional_id_pattern.as_ref().filter(|pattern| !pattern.is_empty());
    let pattern = match pattern.map(|pattern| compiled(pattern)).transpose() {
        Ok(pattern) => pattern,
        Err(_) => {
            return ListTransactionsResponse::default().with_error_code(codes::INVALID_REGULAR_EXPRESSION);
        }
    };
    let known = |name: &StrBytes| STATUSES.into_iter().find(|status| status_name(*status) == &**name);
    let statuses: Vec<_> = request.state_filters.iter().filter_map(known).collect();
    let is_unknown = |name: &&StrBytes| known(name).is_none() && !NEVER.contains(&&***name);
    let unknown: Vec<StrBytes> = request.state_filters.iter().filter(is_unknown).cloned().collect();
    let response = ListTransactionsResponse::default().with_unknown_state_filters(unknown);
    if statuses.is_empty() && !request.state_filters.is_empty() {
        return response;
    }
    let producer_ids: Vec<i64> = request.producer_id_filters.iter().map(|id| id.0).collect();
    let filter = TransactionFilter {
        statuses: &statuses,
        producer_ids: &producer_ids,
        longer_than_ms: (call.version() >= 1 && request.duration_filter >= 0)
            .then_some(request.duration_filter),
        is_wanted: &|id| pattern.as_ref().is_none_or(|pattern| pattern.is_match(id)),
    };
    let listed = call.broker().list_transactions(&filter).into_iter().map(|transaction| {
        TransactionState::default()
            .with_transactional_id(TransactionalId(text(transaction.transactional_id)))
            .with_producer_id(ProducerId(transaction.producer_id))
            .with_transaction_state(text(status_name(transaction.status)))
    });
    response.with_transaction_states(listed.collect())
}

/// The pattern, to match whole ids.
fn compiled(pattern: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(MAX_PATTERN_BYTES).build()
}
