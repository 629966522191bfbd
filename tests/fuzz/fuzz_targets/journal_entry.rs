//! A log entry's payload: what decodes is encoded again, and applied to an empty state.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidemill_state::{ApplyContext, State, decode_entry, encode_entry};

fuzz_target!(|data: &[u8]| {
    let Ok(decoded) = decode_entry(Bytes::copy_from_slice(data)) else {
        return;
    };
    encode_entry(&decoded.commands).expect("what was decoded can be encoded");
    let mut state = State::new();
    for command in &decoded.commands {
        state.apply(&ApplyContext { log_index: 1, term: 1 }, command);
    }
});
