//! GetTelemetrySubscriptions: which metrics a client is to push (KIP-714).

use kafka_protocol::messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
use uuid::Uuid;

use super::telemetry_client::facts;
use super::text;
use crate::service::Call;

pub(crate) async fn handle(
    call: &Call<'_>,
    request: GetTelemetrySubscriptionsRequest,
) -> GetTelemetrySubscriptionsResponse {
    let response = GetTelemetrySubscriptionsResponse::default();
    let asked = request.client_instance_id;
    // A client that has no name for itself yet is given one.
    let instance_id = if asked.is_nil() { Uuid::new_v4() } else { asked };
    match call.broker().telemetry_subscription(&facts(call, instance_id)) {
        Ok(granted) => response
            .with_client_instance_id(instance_id)
            .with_subscription_id(granted.subscription_id)
            .with_accepted_compression_types(granted.compressions)
            .with_push_interval_ms(granted.interval_ms)
            .with_telemetry_max_bytes(granted.max_bytes)
            .with_delta_temporality(true)
            .with_requested_metrics(granted.metrics.into_iter().map(text).collect()),
        Err(error) => response.with_error_code(error.kind.kafka_code()),
    }
}
