//! What can go wrong with a module, and with a call.

use thiserror::Error;

/// Why a module cannot be used, or the host not be started.
#[derive(Debug, Error)]
pub enum Error {
    /// The bytes are no module that Tidemill can run. The message is for whoever uploaded them.
    #[error("{0}")]
    Module(String),
    /// A setting makes no sense.
    #[error("{0}")]
    Settings(String),
    /// The host itself failed: its disk, its threads.
    #[error("function host: {0}")]
    Host(String),
}

/// Why a call failed. The instance's memory is gone after each of these but `Failed` and `WrongKind`; the next call
/// starts from a fresh one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// The guest trapped: a panic, an invalid access, a stack overflow. With its backtrace.
    #[error("the function trapped: {0}")]
    Trap(String),
    /// The guest ran, or waited, for too long.
    #[error("the function did not finish within {deadline_ms} ms")]
    DeadlineExceeded {
        /// What it was given.
        deadline_ms: u64,
    },
    /// The guest wanted more memory than it may have.
    #[error("the function needs more than its {limit_bytes} bytes of memory")]
    MemoryLimit {
        /// What it may have.
        limit_bytes: u64,
    },
    /// The guest returned, or passed to the host, more than it may.
    #[error("the function returned more than {limit_bytes} bytes")]
    OutputTooLarge {
        /// What it may return.
        limit_bytes: u64,
    },
    /// What the guest returned are not records.
    #[error("the function returned garbage: {0}")]
    GarbageOutput(String),
    /// The guest says that it failed.
    #[error("{message}")]
    Failed {
        /// The record at fault, counted from the base offset, if the guest named one.
        offset_delta: Option<i32>,
        /// What happened, in the guest's words.
        message: String,
        /// Whether the guest asks for the same call to be made again.
        retry: bool,
    },
    /// A transform was called as a sink, or the other way round.
    #[error("the module is a {0}")]
    WrongKind(crate::Kind),
    /// All instances that the host may keep are in use; there will be room once others are dropped.
    #[error("the host runs {0} instances, as many as it may")]
    TooManyInstances(usize),
    /// The host failed, and not the guest.
    #[error("function host: {0}")]
    Host(String),
}
