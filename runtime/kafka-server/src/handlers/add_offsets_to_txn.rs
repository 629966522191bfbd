//! AddOffsetsToTxn: a group enters a transaction.

use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use tidemill_broker::ProducerIdentity;

use super::transaction_error;
use crate::codes;
use crate::service::Call;

/// Since this version clients know PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 2;

pub(crate) async fn handle(call: &Call<'_>, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let who = ProducerIdentity { producer_id: request.producer_id.0, producer_epoch: request.producer_epoch };
    let groups = [request.group_id.to_string()];
    let added = call.broker().add_to_transaction(&request.transactional_id, who, &[], &groups).await;
    let knows_fenced = call.version() >= KNOWS_FENCED;
    let code = added.map_or_else(|error| transaction_error(error.kind, knows_fenced), |()| codes::NONE);
    AddOffsetsToTxnResponse::default().with_error_code(code)
}
