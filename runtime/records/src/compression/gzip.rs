//! gzip: one member or a few, nothing else.

use std::io::Write;

use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::{Output, Stop};

/// No client writes more than one. Each costs a decoder, so twenty bytes could ask for much work.
const MAX_MEMBERS: usize = 64;

pub(super) fn compress(section: &[u8], level: Option<i32>) -> Result<Vec<u8>, String> {
    let level = level.and_then(|level| u32::try_from(level.min(9)).ok());
    let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(section).map_err(|error| error.to_string())?;
    encoder.finish().map_err(|error| error.to_string())
}

pub(super) fn decompress(section: &[u8], output: &mut Output<'_>) -> Result<(), Stop> {
    let mut rest = section;
    for _ in 0..MAX_MEMBERS {
        let mut member = GzDecoder::new(rest);
        output.drain(&mut member)?;
        let after = member.into_inner();
        if after.is_empty() {
            return Ok(());
        }
        if after.len() == rest.len() {
            return Err(Stop::broken("no gzip member"));
        }
        rest = after;
    }
    Err(Stop::broken("too many gzip members"))
}
