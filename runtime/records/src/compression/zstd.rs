//! zstd frames, with the window that Kafka's consumers accept.

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::{MAX_KEPT_BYTES, Output, Stop};

/// 128 MiB, what libzstd and with it Kafka's consumers accept by default. Pages of a window are
/// only touched as output fills it, so a claimed window costs address space, not memory.
const MAX_WINDOW_LOG: u32 = 27;
/// What Kafka's `compression.zstd.level` is by default.
const LEVEL: i32 = 3;
const FIRST_OUTPUT_BYTES: usize = 16 * 1024;

/// Decoder state to use again.
pub(super) type Decoder = DCtx<'static>;

pub(super) fn compress(section: &[u8], level: Option<i32>) -> Result<Vec<u8>, String> {
    zstd::bulk::compress(section, level.unwrap_or(LEVEL)).map_err(|error| error.to_string())
}

pub(super) fn decompress(
    kept: &mut Option<Decoder>,
    section: &[u8],
    output: &mut Output<'_>,
) -> Result<(), Stop> {
    let mut decoder = match kept.take() {
        Some(decoder) => decoder,
        None => new_decoder()?,
    };
    run(&mut decoder, section, output)?;
    // After a frame is complete the decoder is ready for the next. One that failed is dropped, as
    // is one whose window was large.
    if decoder.sizeof() <= MAX_KEPT_BYTES {
        *kept = Some(decoder);
    }
    Ok(())
}

fn new_decoder() -> Result<Decoder, Stop> {
    let mut decoder = DCtx::try_create().ok_or_else(|| Stop::broken("no memory for a decoder"))?;
    decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(broken)?;
    Ok(decoder)
}

fn run(decoder: &mut Decoder, section: &[u8], output: &mut Output<'_>) -> Result<(), Stop> {
    let mut input = InBuffer::around(section);
    loop {
        let start = output.out.len();
        if start == output.out.capacity() {
            let most = output.room().saturating_add(1);
            output.out.reserve_exact(start.max(FIRST_OUTPUT_BYTES).min(most));
        }
        let mut buffer = OutBuffer::around_pos(&mut *output.out, start);
        let missing = decoder.decompress_stream(&mut buffer, &mut input).map_err(broken)?;
        if output.out.len() > output.max_bytes {
            return Err(Stop::TooLarge);
        }
        let is_consumed = input.pos() == section.len();
        if missing == 0 && is_consumed {
            return Ok(());
        }
        if is_consumed && output.out.len() < output.out.capacity() {
            return Err(Stop::broken("the frame is cut short"));
        }
    }
}

fn broken(code: usize) -> Stop {
    Stop::broken(get_error_name(code))
}
