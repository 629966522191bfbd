//! PushTelemetry: metrics of a client (KIP-714).

use kafka_protocol::messages::{PushTelemetryRequest, PushTelemetryResponse};
use tidemill_broker::PushedMetrics;

use super::telemetry_client::facts;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: PushTelemetryRequest) -> PushTelemetryResponse {
    let client = facts(call, request.client_instance_id);
    let push = PushedMetrics {
        subscription_id: request.subscription_id,
        terminating: request.terminating,
        compression: request.compression_type,
        metrics: request.metrics,
    };
    let response = PushTelemetryResponse::default();
    match call.broker().push_telemetry(client, push).await {
        Ok(()) => response,
        Err(error) => response.with_error_code(error.kind.kafka_code()),
    }
}
