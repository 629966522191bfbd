//! InitProducerId: an id for an idempotent producer, or the next epoch of a transactional id.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use tidemill_broker::{ErrorKind, ProducerIdentity};

use super::transaction_error;
use crate::service::Call;

/// Since this version clients know PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 4;

pub(crate) async fn handle(call: &Call<'_>, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let given = match (&request.transactional_id, expected(&request)) {
        (_, Err(kind)) => Err(kind),
        (None, Ok(_)) => call.broker().init_producer_id().await.map_err(|error| error.kind),
        (Some(id), Ok(expected)) => call
            .broker()
            .init_transactional_producer(id, request.transaction_timeout_ms, expected)
            .await
            .map_err(|error| error.kind),
    };
    match given {
        Ok(identity) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(identity.producer_id))
            .with_producer_epoch(identity.producer_epoch),
        Err(kind) => InitProducerIdResponse::default()
            .with_error_code(transaction_error(kind, call.version() >= KNOWS_FENCED))
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    }
}

/// Who the producer believes to be. It says both id and epoch or neither.
fn expected(request: &InitProducerIdRequest) -> Result<Option<ProducerIdentity>, ErrorKind> {
    match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => Ok(None),
        (producer_id, producer_epoch) if producer_id >= 0 && producer_epoch >= 0 => {
            Ok(Some(ProducerIdentity { producer_id, producer_epoch }))
        }
        _ => Err(ErrorKind::InvalidRequest),
    }
}
