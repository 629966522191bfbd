//! The types of `sdk/wit/tidemill.wit`, as the host passes and receives them. Wasmtime checks them against each
//! module's own types when the module is loaded.

use std::sync::Arc;
use wasmtime::component::{ComponentType, Lift, Lower};

/// Version of the WIT package that this host implements.
pub(crate) const ABI: (u64, u64, u64) = (0, 1, 0);
/// What a transform exports, but for the version.
pub(crate) const TRANSFORM: &str = "tidemill:function/batch-transform";
/// What a sink exports, but for the version.
pub(crate) const SINK: &str = "tidemill:function/batch-sink";
/// What a function may import, with the version.
pub(crate) const HOST: &str = "tidemill:function/host@0.1.0";
/// The exported function.
pub(crate) const PROCESS: &str = "process";

/// `types.batch`.
#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Batch {
    pub topic: Arc<str>,
    pub partition: i32,
    #[component(name = "base-offset")]
    pub base_offset: i64,
    #[component(name = "base-timestamp")]
    pub base_timestamp: i64,
    #[component(name = "log-append-time")]
    pub log_append_time: Option<i64>,
    #[component(name = "record-count")]
    pub record_count: u32,
}

/// `types.output`.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Output {
    pub output: u32,
    pub partition: Option<i32>,
    #[component(name = "base-timestamp")]
    pub base_timestamp: i64,
    #[component(name = "record-count")]
    pub record_count: u32,
    pub records: Vec<u8>,
}

/// `types.failure`.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Failure {
    #[component(name = "offset-delta")]
    pub offset_delta: Option<i32>,
    pub message: String,
    pub retry: bool,
}

/// `host.level`.
#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(enum)]
#[allow(dead_code, reason = "made by lifting a number")]
#[repr(u8)]
pub(crate) enum Level {
    #[component(name = "error")]
    Error,
    #[component(name = "warn")]
    Warn,
    #[component(name = "info")]
    Info,
    #[component(name = "debug")]
    Debug,
    #[component(name = "trace")]
    Trace,
}

/// Parameters of a transform's `process`.
pub(crate) type TransformParams<'a> = (Batch, &'a [u8]);
/// Results of a transform's `process`.
pub(crate) type TransformResults = (Result<Vec<Output>, Failure>,);
/// Parameters of a sink's `process`.
pub(crate) type SinkParams<'a> = (Batch, &'a str, &'a [u8]);
/// Results of a sink's `process`.
pub(crate) type SinkResults = (Result<(), Failure>,);
