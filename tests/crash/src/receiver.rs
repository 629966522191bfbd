//! Where the webhook sink delivers: counts each delivery id once.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

type Deliveries = Arc<Mutex<HashMap<String, Vec<Value>>>>;

/// A running receiver.
pub struct Receiver {
    /// Where it listens.
    pub address: String,
    deliveries: Deliveries,
}

impl Receiver {
    /// Listens on a free port.
    ///
    /// # Errors
    /// If there is none.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let deliveries = Deliveries::default();
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&deliveries));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, deliveries })
    }

    /// Flight numbers delivered, each delivery id once, sorted.
    pub fn flights(&self) -> Vec<u64> {
        let deliveries = self.deliveries.lock();
        let events = deliveries.values().flatten();
        let mut flights: Vec<u64> =
            events.filter_map(|event| event.pointer("/value/flight")?.as_u64()).collect();
        flights.sort_unstable();
        flights
    }
}

async fn take(State(deliveries): State<Deliveries>, headers: HeaderMap, body: String) -> StatusCode {
    let id = headers.get("delivery-id").and_then(|id| id.to_str().ok());
    match (id, serde_json::from_str::<Vec<Value>>(&body)) {
        (Some(id), Ok(events)) => {
            deliveries.lock().entry(id.to_owned()).or_insert(events);
            StatusCode::NO_CONTENT
        }
        _ => StatusCode::BAD_REQUEST,
    }
}
