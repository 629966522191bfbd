//! Reading a file's frames in sequence, and telling a torn tail from corruption.
//!
//! A frame is *bad* if its header or payload does not check out. In a file that a crash may have
//! caught while it was written, everything from the first bad frame on is a torn tail **unless** a
//! later frame header of the same file says that more than the bad frame's position was synced when
//! it was written: then the bad frame was durable once, and losing it is corruption. (Frames of one
//! sync may reach the disk in any order, so a whole frame behind a bad one proves nothing alone.) A frame whose
//! header is whole but that this release cannot read is not torn, and nothing is cut there.

use crate::error::Error;
use crate::file::WalFile;
use crate::frame::{BadHeader, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader, crc_of};
use crate::header::FILE_HEADER_BYTES;
use crate::window::Window;

/// How far the whole frames of a file go.
pub(crate) struct Scanned {
    /// One past the last whole frame.
    pub(crate) end: u64,
    /// What is wrong with the frame there; none if only zeros or nothing follow.
    pub(crate) bad: Option<&'static str>,
}

/// Visits the frames of a file of `len` bytes up to the first bad one.
pub(crate) fn scan_frames(
    file: &WalFile,
    len: u64,
    mut visit: impl FnMut(u64, &FrameHeader, &[u8]) -> Result<(), Error>,
) -> Result<Scanned, Error> {
    let mut window = Window::new(file.disk.as_ref(), len);
    let mut position = FILE_HEADER_BYTES;
    loop {
        let bytes = window.get(position, FRAME_HEADER_BYTES).map_err(Error::io("read", &file.name))?;
        let Some(bytes) = bytes else {
            let bad = (position < len).then_some("the frame header is cut short");
            return Ok(Scanned { end: position, bad });
        };
        let header = match FrameHeader::decode(bytes, file.salt, position) {
            Ok(header) => header,
            Err(BadHeader { reason, is_foreign: true }) => return Err(file.corrupt(position, reason)),
            Err(BadHeader { reason, .. }) => {
                let bad = bytes.iter().any(|byte| *byte != 0).then_some(reason);
                return Ok(Scanned { end: position, bad });
            }
        };
        let payload_at = position + FRAME_HEADER_BYTES as u64;
        let payload = window.get(payload_at, header.payload_len as usize);
        let Some(payload) = payload.map_err(Error::io("read", &file.name))? else {
            return Ok(Scanned { end: position, bad: Some("the payload is cut short") });
        };
        if crc_of([payload]) != header.payload_crc {
            return Ok(Scanned { end: position, bad: Some("the payload's checksum does not match") });
        }
        if header.frame_len() > len - position {
            return Ok(Scanned { end: position, bad: Some("the padding is cut short") });
        }
        visit(position, &header, payload)?;
        position += header.frame_len();
    }
}

/// Looks behind a bad frame for a frame header that declares it synced.
pub(crate) fn declared_synced(file: &WalFile, bad: u64, len: u64) -> Result<Option<u64>, Error> {
    let mut window = Window::new(file.disk.as_ref(), len);
    let mut position = bad + 1;
    while position < len {
        let step = (64 << 10).min(len - position) as usize;
        let chunk = window.get(position, step).map_err(Error::io("read", &file.name))?.unwrap_or_default();
        let first = FRAME_MAGIC.first();
        let starts: Vec<usize> =
            chunk.iter().enumerate().filter_map(|(at, byte)| (Some(byte) == first).then_some(at)).collect();
        for at in starts {
            let at = position + at as u64;
            let bytes = window.get(at, FRAME_HEADER_BYTES).map_err(Error::io("read", &file.name))?;
            let header = bytes.map(|bytes| FrameHeader::decode(bytes, file.salt, at));
            if let Some(Ok(header)) = header
                && header.synced_upto > bad
            {
                return Ok(Some(at));
            }
        }
        position += step as u64;
    }
    Ok(None)
}
