//! Metrics that clients push to the broker, as Kafka's KIP-714 has it.
//!
//! - [`Subscription`]: what an operator wants to know of which clients (`client-metrics` configs);
//! - [`Clients`]: which client is to push what, how often, and whether a request comes too early;
//! - [`otlp`]: what a client pushed, read from the OpenTelemetry protocol without trust;
//! - [`Series`]: the latest values, bounded, as Prometheus' text format shows them.
//!
//! Nothing here has a clock, a lock or a socket: whoever calls passes the time.
//!
//! ```
//! use std::collections::BTreeMap;
//! use tidemill_telemetry::{ClientFacts, Clients, Subscription};
//!
//! let configs = BTreeMap::from([("metrics".to_owned(), "org.apache.kafka.producer.".to_owned())]);
//! let mut clients = Clients::default();
//! clients.set_subscriptions(vec![Subscription::parse(&configs)?]);
//! let granted = clients.subscribe(&ClientFacts::default(), 0)?;
//! assert_eq!(granted.metrics, ["org.apache.kafka.producer."]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod clients;
pub mod otlp;
mod series;
mod subscription;
mod wire;

pub use client::{ClientFacts, Push, Refusal};
pub use clients::{Clients, Granted, MAX_CLIENTS};
pub use series::{Series, Taken};
pub use subscription::{
    ALL_METRICS, DEFAULT_INTERVAL_MS, INTERVAL_MS, InvalidSubscription, MATCH, METRICS, Subscription,
};
