//! The function runtime: a wasmtime host for transforms and sinks.
//!
//! A [`Host`] compiles uploaded modules ([`Host::inspect`], [`Host::load`]); a [`Module`] makes logical
//! [`Instance`]s, one for each function and input partition; [`Instance::transform`] and [`Instance::sink`] pass a
//! record section (an uncompressed part of a Kafka v2 batch) to the guest and return what it made of it, checked.
//! `sdk/wit/tidemill.wit` is the contract, `docs/formats/function-abi.md` explains it.
//!
//! What holds for every guest, whatever it does:
//!
//! - It runs on the host's own bounded threads and gives way at every epoch tick, so it delays no one else for long.
//! - A call ends at its deadline, an instance grows up to its memory limit, an output is measured before it is copied.
//!   After a trap or a limit the instance's memory is dropped; the next call gets a fresh one.
//! - It has clocks, random numbers, its config and its log, and nothing else. Sinks may send HTTP requests to the hosts
//!   that their deployment allows.
//! - An idle instance takes no memory once it is unloaded, and an idle host takes no CPU.
//!
//! Nothing here knows of topics, offsets committed or error policies: that is the broker's function runner.

mod allow_list;
mod code_cache;
mod engine;
mod error;
mod guest;
mod guest_log;
mod host;
mod http;
mod inspect;
mod instance;
mod limiter;
mod log;
mod meter;
mod module;
mod options;
mod ticker;
mod wire;

pub use allow_list::AllowList;
pub use error::{CallError, Error};
pub use host::Host;
pub use instance::{BatchFacts, CallResult, Instance, Output, delivery_id};
pub use log::{LogLevel, LogLine, LogRing, LogSink, MAX_LINE_BYTES};
pub use module::{Kind, Module, ModuleInfo};
pub use options::{HostOptions, InstanceOptions, Limits};
