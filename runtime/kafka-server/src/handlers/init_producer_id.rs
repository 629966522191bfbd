//! InitProducerId: an id for an idempotent producer.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let transactional_id = request.transactional_id.as_ref().map(|id| id.as_str());
    match call.broker().init_producer_id(transactional_id).await {
        Ok(identity) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(identity.producer_id))
            .with_producer_epoch(identity.producer_epoch),
        Err(error) => InitProducerIdResponse::default()
            .with_error_code(error.kind.kafka_code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    }
}
