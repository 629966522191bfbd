//! A state as one stream of bytes. The trailing CRC is put right first (unless the first byte is
//! odd), or nearly all inputs would end there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemill_state::State;

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    if bytes.first().is_some_and(|first| first % 2 == 0) && bytes.len() > 4 {
        let end = bytes.len() - 4;
        let crc = crc32c::crc32c(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
    }
    if let Ok(state) = State::import(&bytes) {
        let exported = state.export().expect("what was imported can be exported");
        State::import(&exported).expect("and imported again");
    }
});
