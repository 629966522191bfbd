//! The Kafka protocol, served.
//!
//! ```text
//!  server ─ accepts, counts connections
//!    └ connection ─ reads frames (frame), serves in order, writes replies
//!        └ dispatch ─ checks the API's version (apis), decodes without trust (decode)
//!            └ handlers ─ one file per API, request → broker → response
//!  throttle ─ quotas of clients
//!  memory ─ bytes in flight over all connections
//! ```
//! A frame that is no request closes its connection, as in Kafka; a request that cannot be fulfilled
//! is answered with Kafka's error code. Record batches are views of the read buffer on their way in,
//! and the broker's own buffers on their way out.
//!
//! `docs/kafka-compatibility.md` says which APIs and versions there are; it is generated from
//! [`compatibility_page`].

mod apis;
mod codes;
mod compatibility;
mod connection;
mod decode;
mod dispatch;
mod encode;
mod frame;
mod handlers;
mod memory;
mod metrics;
mod options;
mod places;
mod response;
mod server;
mod service;
mod throttle;

pub use apis::{APIS, Api};
pub use compatibility::compatibility_page;
pub use decode::DecodeError;
pub use options::Options;
pub use server::{BindError, KafkaServer};
