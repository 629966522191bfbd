//! Decompressing pages with one decoder for each thread: making one costs as much as a small page.

use std::cell::RefCell;

use parquet::basic::Compression;
use zstd::bulk::Decompressor;
use zstd::zstd_safe;

use crate::error::{Error, corrupt};

/// Memory of a page that is kept for the next one.
const MAX_KEPT_BYTES: usize = 1 << 20;
/// Room behind a page for zstd's use: its largest block and the overrun of its copies (`WILDCOPY_OVERLENGTH` of 32 bytes,
/// twice), and one. With less than that a block's literals are decoded into the page and moved out of the way.
const ZSTD_ROOM_BYTES: usize = (128 << 10) + 2 * 32 + 1;
/// For the two columns that are read at a time.
const MAX_KEPT: usize = 2;

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

#[derive(Default)]
struct Kept {
    zstd: Option<Decompressor<'static>>,
    memory: Vec<Vec<u8>>,
}

/// Puts the `raw_bytes` of a page into `out`, in place of what was there.
pub(crate) fn decompress(
    codec: Compression,
    page: &[u8],
    raw_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    out.clear();
    match codec {
        Compression::UNCOMPRESSED => out.extend_from_slice(page),
        Compression::ZSTD(_) => {
            out.reserve_exact(raw_bytes + ZSTD_ROOM_BYTES);
            unzstd_into(page, out)?;
        }
        Compression::LZ4_RAW => {
            out.resize(raw_bytes, 0);
            let len = lz4_flex::block::decompress_into(page, out).map_err(|_| broken())?;
            out.truncate(len);
        }
        _ => return Err(corrupt("a column has a codec that archive objects do not use")),
    }
    if out.len() == raw_bytes { Ok(()) } else { Err(broken()) }
}

/// What a zstd frame of at most so many raw bytes holds.
pub(crate) fn unzstd(frame: &[u8], max_bytes: usize) -> Result<Vec<u8>, Error> {
    let claimed = zstd_safe::get_frame_content_size(frame).ok().flatten();
    let claimed = claimed.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(max_bytes);
    let mut out = Vec::with_capacity(claimed.min(max_bytes));
    unzstd_into(frame, &mut out)?;
    Ok(out)
}

/// Fills the capacity of `out`, or less of it.
fn unzstd_into(frame: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    KEPT.with_borrow_mut(|kept| {
        let decoder = match &mut kept.zstd {
            Some(decoder) => decoder,
            none => none.insert(Decompressor::new()?),
        };
        decoder.decompress_to_buffer(frame, out).map_err(|_| broken())?;
        Ok(())
    })
}

fn broken() -> Error {
    corrupt("a page does not decompress to the size that its header gives")
}

/// Memory for pages that was used before, where there is some: it need not be touched first.
pub(crate) fn take_memory() -> Vec<u8> {
    KEPT.with_borrow_mut(|kept| kept.memory.pop()).unwrap_or_default()
}

/// Keeps memory for the next who asks.
pub(crate) fn keep_memory(memory: Vec<u8>) {
    KEPT.with_borrow_mut(|kept| {
        if memory.capacity() <= MAX_KEPT_BYTES && kept.memory.len() < MAX_KEPT {
            kept.memory.push(memory);
        }
    });
}
