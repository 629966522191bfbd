//! Write Tidemill functions in Rust.
//!
//! A function is a plain `fn` in an ordinary cargo project with `crate-type = ["cdylib"]`:
//!
//! ```
//! use tidemill_sdk::{Batch, Error, NewRecord, Output};
//!
//! /// Passes on the records that have a value, and says how long the value was.
//! #[tidemill_sdk::transform]
//! fn measured(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
//!     for record in input {
//!         if let Some(value) = record.value() {
//!             let length = value.len().to_string();
//!             out.push(&NewRecord::from(record).header("length", &length));
//!         }
//!     }
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2` and upload the `.wasm` file:
//! `tidemill function deploy measured --wasm FILE --input events --output events.measured`.
//!
//! - [`Batch`] and [`Record`] borrow from the buffer that came in: reading a record copies nothing.
//! - [`Output`] takes [`NewRecord`]s, or copies of records as they are, for any output topic and partition.
//! - [`Error`] and [`At`] name the record at fault; [`Error::retry`] asks for the call to be made again.
//! - [`config`] reads what was deployed with `--set`, [`info!`] and its siblings write the function's log.
//! - Sinks, marked `#[tidemill_sdk::sink]`, make HTTP requests with [`http`].
//! - [`testing`] runs a function natively, without a broker.
//!
//! A function may keep what it likes in statics, but instances come and go (one for each input partition, dropped
//! when idle or after a failure), so statics are caches and nothing more.

mod batch;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
mod error;
mod glue;
mod host;
pub mod http;
mod log;
mod new_record;
mod output;
mod record;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod text;
mod varint;
#[cfg(target_arch = "wasm32")]
mod wasi_http;

pub use batch::{Batch, Records};
pub use error::{At, Error};
pub use log::{log, Level};
pub use new_record::NewRecord;
pub use output::{Output, Target};
pub use record::{Header, Headers, Record};
pub use tidemill_sdk_macros::{sink, transform};

/// One setting of the deployment: `--set KEY=VALUE`.
pub fn config(key: &str) -> Option<String> {
    host::config(key)
}

/// One setting of the deployment that the function cannot do without.
pub fn require_config(key: &str) -> Result<String, Error> {
    config(key)
        .ok_or_else(|| Error::new(format!("the setting `{key}` is missing (deploy with --set {key}=…)")))
}

/// All settings of the deployment, in order of their keys.
pub fn config_all() -> Vec<(String, String)> {
    host::config_all()
}

#[doc(hidden)]
pub mod __private {
    pub use crate::glue::*;
}
