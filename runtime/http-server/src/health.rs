//! Whether the broker lives and can serve, and what it counts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use serde_json::json;
use tidemill_broker::Broker;

/// `GET /health/live`
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /health/ready`
pub(crate) async fn ready(State(broker): State<Arc<Broker>>) -> Response {
    let readiness = broker.readiness();
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": readiness.is_ready(),
        "blocking": readiness.blocking,
        "warnings": readiness.warnings,
    });
    (status, Json(body)).into_response()
}

/// `GET /metrics`
pub(crate) async fn metrics(State(broker): State<Arc<Broker>>) -> Response {
    let registry = broker.metrics();
    let mut text = String::new();
    let encoded = encode(&mut text, &registry.lock());
    match encoded {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// `GET /metrics/clients`
pub(crate) async fn client_metrics(State(broker): State<Arc<Broker>>) -> Response {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], broker.client_metrics_text()).into_response()
}
