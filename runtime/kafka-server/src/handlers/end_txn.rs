//! EndTxn: commit or abort. From version 5 on the producer gets the epoch of its next transaction.

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};
use tidemill_broker::ProducerIdentity;

use super::transaction_error;
use crate::service::Call;

/// Since this version clients know PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 2;
/// Since this version every transaction has its own epoch.
const EPOCH_PER_TRANSACTION: i16 = 5;

pub(crate) async fn handle(call: &Call<'_>, request: EndTxnRequest) -> EndTxnResponse {
    let who = ProducerIdentity { producer_id: request.producer_id.0, producer_epoch: request.producer_epoch };
    let version = if call.version() >= EPOCH_PER_TRANSACTION { 2 } else { 1 };
    match call.broker().end_transaction(&request.transactional_id, who, request.committed, version).await {
        Ok(next) if version >= 2 => EndTxnResponse::default()
            .with_producer_id(ProducerId(next.producer_id))
            .with_producer_epoch(next.producer_epoch),
        Ok(_) => EndTxnResponse::default(),
        Err(error) => EndTxnResponse::default()
            .with_error_code(transaction_error(error.kind, call.version() >= KNOWS_FENCED)),
    }
}
