//! A transform that does what its setting `mode` says. Implements the interface by hand: the SDK's macro would not let
//! it return garbage.

#![cfg(target_arch = "wasm32")]

mod hostile;
mod polite;

use tidemill_sdk::bindings::transform as bindings;
use tidemill_sdk::bindings::transform::exports::tidemill::function::batch_transform as interface;
use tidemill_sdk::{config, config_all, Error};

struct Module;

impl interface::Guest for Module {
    fn process(
        batch: interface::Batch,
        records: Vec<u8>,
    ) -> Result<Vec<interface::Output>, interface::Failure> {
        let polite = |function| tidemill_sdk::__private::process_transform(function, batch, &records);
        match config("mode").as_deref().unwrap_or("copy") {
            "copy" => polite(polite::copy),
            "encode" => polite(polite::encode),
            "json" => polite(polite::json),
            "route" => polite(polite::route),
            "count" => polite(polite::count),
            "facts" => polite(polite::facts),
            "fail" => polite(polite::fail),
            "fail-on" => polite(polite::fail_on),
            "powers" => polite(hostile::powers),
            "log-flood" => polite(hostile::log_flood),
            "print-flood" => polite(hostile::print_flood),
            "loop" => hostile::forever(),
            "sleep" => hostile::sleep(),
            "panic" => panic!("out of cheese"),
            "trap" => hostile::trap(),
            "overflow" => hostile::overflow_the_stack(),
            "allocate" => hostile::allocate(),
            "resources" => hostile::hoard(),
            "random" => hostile::much_randomness(),
            "return-much" => Ok(hostile::much()),
            "return-many" => Ok(hostile::many()),
            "return-garbage" => Ok(hostile::garbage()),
            "return-miscount" => Ok(hostile::miscount(records)),
            "return-gaps" => Ok(hostile::gaps(records)),
            "return-long-message" => polite(hostile::long_message),
            other => polite::refuse(Error::new(format!("no mode {other}; config: {:?}", config_all()))),
        }
    }
}

bindings::export_transform!(Module with_types_in bindings);
