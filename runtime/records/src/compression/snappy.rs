//! Snappy, as the Java client writes it and as others do.
//!
//! Java: `82 53 4e 41 50 50 59 00 | version i32 | compatible version i32 | { length i32 | raw block }*`,
//! where the header may be repeated (concatenated streams). Others: one raw snappy block.

use bytes::Buf;
use snap::raw::{Decoder, Encoder, decompress_len};

use super::{Output, Stop};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const MAGIC_HEAD: [u8; 4] = *b"\x82SNA";
const HEADER_BYTES: usize = 16;
const VERSION: u32 = 1;
/// What the Java client takes for one block.
const BLOCK_BYTES: usize = 32 * 1024;
/// A copy element of three bytes yields 64 at most; more per byte is a lie.
const MAX_RATIO: usize = 32;

pub(super) fn compress(section: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(HEADER_BYTES + section.len() / 2);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = Encoder::new();
    for block in section.chunks(BLOCK_BYTES) {
        let compressed = encoder.compress_vec(block).map_err(|error| error.to_string())?;
        let length = u32::try_from(compressed.len()).map_err(|error| error.to_string())?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}

pub(super) fn decompress(decoder: &mut Decoder, section: &[u8], output: &mut Output<'_>) -> Result<(), Stop> {
    if !section.starts_with(&MAGIC) {
        return raw_block(decoder, section, output);
    }
    let mut rest = section;
    while !rest.is_empty() {
        if rest.starts_with(&MAGIC_HEAD) {
            take_header(&mut rest)?;
            continue;
        }
        if rest.len() < 4 {
            return Err(Stop::broken("a block length is cut short"));
        }
        let length = rest.get_i32();
        let block = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
        let Some((block, after)) = block else {
            return Err(Stop::Broken(format!("a block length of {length} with {} bytes left", rest.len())));
        };
        raw_block(decoder, block, output)?;
        rest = after;
    }
    Ok(())
}

fn take_header(rest: &mut &[u8]) -> Result<(), Stop> {
    let Some((header, after)) = rest.split_at_checked(HEADER_BYTES) else {
        return Err(Stop::broken("the stream header is cut short"));
    };
    let Some(mut versions) = header.strip_prefix(&MAGIC) else {
        return Err(Stop::broken("the stream header is wrong"));
    };
    let version = versions.get_u32();
    if version < VERSION {
        return Err(Stop::Broken(format!("stream version {version} is unknown")));
    }
    *rest = after;
    Ok(())
}

fn raw_block(decoder: &mut Decoder, block: &[u8], output: &mut Output<'_>) -> Result<(), Stop> {
    let length = decompress_len(block).map_err(Stop::broken)?;
    if length > block.len().saturating_mul(MAX_RATIO) {
        return Err(Stop::Broken(format!("a block of {} bytes can't hold {length}", block.len())));
    }
    if length > output.room() {
        return Err(Stop::TooLarge);
    }
    let start = output.out.len();
    output.out.resize(start + length, 0);
    let (_, target) = output.out.split_at_mut(start);
    decoder.decompress(block, target).map_err(Stop::broken)?;
    Ok(())
}
