//! One LZ4 frame of independent blocks: more, or others, Kafka's Java consumers can't read.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Output, Stop};

const MAGIC: [u8; 4] = 0x184d_2204u32.to_le_bytes();
const FLAG_INDEPENDENT_BLOCKS: u8 = 1 << 5;
const FLAG_BLOCK_CHECKSUMS: u8 = 1 << 4;
const FLAG_CONTENT_SIZE: u8 = 1 << 3;
const FLAG_CONTENT_CHECKSUM: u8 = 1 << 2;
const FLAG_DICTIONARY: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// Set in a block's size if the block is not compressed.
const STORED_BLOCK: u32 = 1 << 31;

pub(super) fn compress(section: &[u8]) -> Result<Vec<u8>, String> {
    let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(section).map_err(|error| error.to_string())?;
    encoder.finish().map_err(|error| error.to_string())
}

pub(super) fn decompress(section: &[u8], output: &mut Output<'_>) -> Result<(), Stop> {
    check_frame(section)?;
    output.drain(&mut FrameDecoder::new(section))
}

/// Checks that the section is one frame from its magic to its end mark: the decoder takes the end
/// of its input for the end of the frame, and stops after it without looking further.
fn check_frame(section: &[u8]) -> Result<(), Stop> {
    let cut_short = || Stop::broken("the LZ4 frame is cut short");
    let Some(descriptor) = section.strip_prefix(&MAGIC) else {
        return Err(Stop::broken("it does not begin with an LZ4 frame"));
    };
    let flags = *descriptor.first().ok_or_else(cut_short)?;
    if flags & FLAG_INDEPENDENT_BLOCKS == 0 {
        return Err(Stop::broken("LZ4 frames must have independent blocks"));
    }
    if flags & FLAG_DICTIONARY != 0 {
        return Err(Stop::broken("LZ4 frames must not need a dictionary"));
    }
    let content_size_bytes = if flags & FLAG_CONTENT_SIZE == 0 { 0 } else { 8 };
    let block_checksum_bytes = if flags & FLAG_BLOCK_CHECKSUMS == 0 { 0 } else { CHECKSUM_BYTES };
    let content_checksum_bytes = if flags & FLAG_CONTENT_CHECKSUM == 0 { 0 } else { CHECKSUM_BYTES };
    // Flags, block size, content size, header checksum.
    let mut rest = descriptor.get(3 + content_size_bytes..).ok_or_else(cut_short)?;
    while let Some((size, after)) = rest.split_first_chunk() {
        let size = u32::from_le_bytes(*size);
        if size == 0 {
            return match after.len().checked_sub(content_checksum_bytes) {
                Some(0) => Ok(()),
                Some(extra) => Err(Stop::Broken(format!("{extra} bytes follow the LZ4 frame"))),
                None => Err(cut_short()),
            };
        }
        let block = (size & !STORED_BLOCK) as usize + block_checksum_bytes;
        rest = after.get(block..).ok_or_else(cut_short)?;
    }
    Err(cut_short())
}
