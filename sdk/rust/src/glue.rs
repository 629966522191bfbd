//! What the macros' expansion calls. Not for use by hand.

use crate::batch::Batch;
use crate::error::Error;
use crate::output::Output;

/// Makes the compiler check a transform's signature.
pub const fn check_transform(_: fn(Batch<'_>, &mut Output) -> Result<(), Error>) {}

/// Makes the compiler check a sink's signature.
pub const fn check_sink(_: fn(Batch<'_>) -> Result<(), Error>) {}

#[cfg(target_arch = "wasm32")]
pub use guest::{process_sink, process_transform};

#[cfg(target_arch = "wasm32")]
mod guest {
    use super::{Batch, Error, Output};
    use crate::batch::Facts;
    use crate::bindings::transform::tidemill::function::types;
    use crate::output::Section;

    /// Runs a transform on what the broker sent.
    pub fn process_transform(
        function: fn(Batch<'_>, &mut Output) -> Result<(), Error>,
        batch: types::Batch,
        records: &[u8],
    ) -> Result<Vec<types::Output>, types::Failure> {
        let mut out = Output::new(batch.base_timestamp, records.len());
        Batch::run(&facts(batch, String::new()), records, |batch| function(batch, &mut out))
            .map_err(failure)?;
        Ok(out.into_sections().into_iter().map(output).collect())
    }

    /// Runs a sink on what the broker sent.
    pub fn process_sink(
        function: fn(Batch<'_>) -> Result<(), Error>,
        batch: types::Batch,
        delivery_id: String,
        records: &[u8],
    ) -> Result<(), types::Failure> {
        Batch::run(&facts(batch, delivery_id), records, function).map_err(failure)
    }

    fn facts(batch: types::Batch, delivery_id: String) -> Facts {
        Facts {
            topic: batch.topic,
            partition: batch.partition,
            base_offset: batch.base_offset,
            base_timestamp: batch.base_timestamp,
            log_append_time: batch.log_append_time,
            record_count: batch.record_count,
            delivery_id,
        }
    }

    fn output(section: Section) -> types::Output {
        types::Output {
            output: section.output,
            partition: section.partition,
            base_timestamp: section.base_timestamp,
            record_count: section.record_count,
            records: section.records,
        }
    }

    fn failure(error: Error) -> types::Failure {
        types::Failure {
            offset_delta: error.offset_delta(),
            message: error.message().to_owned(),
            retry: error.is_retry(),
        }
    }
}

/// Exports a transform from the module. `#[transform]` expands to this.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_transform {
    ($function:path) => {
        const _: () = {
            use bindings::exports::tidemill::function::batch_transform as interface;
            use $crate::bindings::transform as bindings;

            struct Module;

            impl interface::Guest for Module {
                fn process(
                    batch: interface::Batch,
                    records: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<::std::vec::Vec<interface::Output>, interface::Failure> {
                    $crate::__private::process_transform($function, batch, &records)
                }
            }

    bindings::export_transform!(Module with_types_in bindings);
        };
    };
}

/// Exports a sink from the module. `#[sink]` expands to this.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_sink {
    ($function:path) => {
        const _: () = {
            use bindings::exports::tidemill::function::batch_sink as interface;
            use $crate::bindings::sink as bindings;

            struct Module;

            impl interface::Guest for Module {
                fn process(
                    batch: interface::Batch,
                    delivery_id: ::std::string::String,
                    records: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<(), interface::Failure> {
                    $crate::__private::process_sink($function, batch, delivery_id, &records)
                }
            }

    bindings::export_sink!(Module with_types_in bindings);
        };
    };
}
