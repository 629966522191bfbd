//! The end of an archived object: footer, batch table, and a plan for a fetch.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidemill_archive_format::Footer;

fuzz_target!(|data: &[u8]| {
    let length = data.len() as u64;
    if let Ok(footer) = Footer::parse(Bytes::copy_from_slice(data), length, None) {
        let from = footer.base_offset().unwrap_or(0);
        for offset in [from, from + 1, footer.last_offset().unwrap_or(0)] {
            let _ = footer.plan(offset, 1 << 20);
        }
    }
});
