//! The HTTP server: health, metrics and the REST API.
//!
//! | route | what |
//! | --- | --- |
//! | `GET /health/live` | the process answers |
//! | `GET /health/ready` | 200 when requests can be served, else 503; the body says what is the matter |
//! | `GET /metrics` | Prometheus' text format |
//! | `GET /metrics/clients` | the same, of the metrics that Kafka clients push |
//! | `/v1/topics`, `/v1/functions`, `/v1/modules`, `/v1/archive` | the REST API; [`api`] has its bodies |
//!
//! Errors answer with [`api::ErrorBody`] and the status that fits the broker's error kind.

pub mod api;
mod archive;
mod error;
mod functions;
mod health;
mod topics;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tidemill_broker::Broker;
use tokio::net::TcpListener;

/// Largest JSON body.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Largest module.
const MAX_MODULE_BYTES: usize = 64 << 20;

/// A bound HTTP server.
pub struct HttpServer {
    listener: TcpListener,
    router: Router,
}

impl HttpServer {
    /// Listens at `addr`.
    ///
    /// # Errors
    /// What the operating system says, such as that the address is in use.
    pub async fn bind(addr: &str, broker: Arc<Broker>) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        Ok(Self { listener, router: router(broker) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` ends, then finishes the requests it has.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        axum::serve(self.listener, self.router).with_graceful_shutdown(stop).await
    }
}

fn router(broker: Arc<Broker>) -> Router {
    let modules = Router::new()
        .route("/v1/modules", post(functions::upload))
        .layer(DefaultBodyLimit::max(MAX_MODULE_BYTES));
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/metrics/clients", get(health::client_metrics))
        .route("/v1/topics", get(topics::list).post(topics::create))
        .route("/v1/topics/{name}", get(topics::describe).patch(topics::alter).delete(topics::delete))
        .route("/v1/functions", get(functions::list))
        .route(
            "/v1/functions/{name}",
            get(functions::describe).put(functions::deploy).delete(functions::delete),
        )
        .route("/v1/functions/{name}/pause", post(functions::pause))
        .route("/v1/functions/{name}/resume", post(functions::resume))
        .route("/v1/functions/{name}/logs", get(functions::logs))
        .route("/v1/archive/{topic}", get(archive::status))
        .route("/v1/archive/{topic}/seal", post(archive::seal))
        .route("/v1/archive/{topic}/verify", post(archive::verify))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .merge(modules)
        .fallback(error::no_such_route)
        .with_state(broker)
}
