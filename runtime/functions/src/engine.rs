//! Wasmtime's settings.

use crate::Error;
use wasmtime::{Config, Engine};

/// Stack of one call. Guests get half of it, what they call in the host the rest.
const STACK_BYTES: usize = 1 << 20;
const GUEST_STACK_BYTES: usize = 512 << 10;

/// The engine that all modules are compiled by and run in.
///
/// Instances are allocated on demand: a pool would reserve memory for the most instances there may ever be, and ten
/// thousand idle partitions must cost nothing.
pub(crate) fn engine() -> Result<Engine, Error> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(STACK_BYTES)
        // Guests are given synchronous interfaces; what is not needed is not offered to them.
        .concurrency_support(false)
        .wasm_memory64(false);
    Engine::new(&config).map_err(|error| Error::Host(format!("{error:#}")))
}
