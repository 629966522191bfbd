//! Frames: what stands after the header of every numbered file.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `TMwf` |
//! | 4 | 1 | format version, 1; 2 if bytes 6 and 7 are not 0 |
//! | 5 | 1 | type: 1 entry, 2 footer, 3 index, 4 moved batches |
//! | 6 | 2 | bytes between the payload and the next frame, fewer than a block of 4096 |
//! | 8 | 4 | payload length |
//! | 12 | 4 | CRC-32C of the payload |
//! | 16 | 8+8+8 | log id (term, node, index); zero in moved batches |
//! | 40 | 8 | bytes of this file that were synced when the frame was written |
//! | 48 | 4 | CRC-32C of the file's salt, the frame's position and the 48 bytes before |
//! | 52 | … | payload |
//!
//! What is between frames is there because a write past the page cache covers whole blocks (`flight.rs`).
//!
//! The header's checksum covers salt and position, so that neither a frame in another place nor a
//! frame inside a record's bytes passes for one. *Synced bytes* is what tells a torn tail from bit
//! rot: a bad frame that a later frame declares synced was once whole.

use bytes::{Buf, BufMut};
use tidemill_disk::BLOCK_BYTES;

use crate::header::{FORMAT_VERSION, get_log_id, put_log_id};
use crate::types::LogId;

pub(crate) const FRAME_HEADER_BYTES: usize = 52;
pub(crate) const FRAME_MAGIC: &[u8; 4] = b"TMwf";
/// No payload is larger: an entry is capped far below.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 256 << 20;

const CRC_AT: usize = 48;
/// Frames that are followed by padding; a release that does not know it would take the next one for missing.
const PADDED_VERSION: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Entry,
    Footer,
    Index,
    Moved,
}

impl FrameKind {
    fn code(self) -> u8 {
        match self {
            FrameKind::Entry => 1,
            FrameKind::Footer => 2,
            FrameKind::Index => 3,
            FrameKind::Moved => 4,
        }
    }

    fn of(code: u8) -> Option<FrameKind> {
        match code {
            1 => Some(FrameKind::Entry),
            2 => Some(FrameKind::Footer),
            3 => Some(FrameKind::Index),
            4 => Some(FrameKind::Moved),
            _ => None,
        }
    }
}

/// Why bytes are no frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadHeader {
    pub(crate) reason: &'static str,
    /// It is one, whole, that this release cannot read: no torn tail begins with it.
    pub(crate) is_foreign: bool,
}

fn no_header(reason: &'static str) -> BadHeader {
    BadHeader { reason, is_foreign: false }
}

fn foreign(reason: &'static str) -> BadHeader {
    BadHeader { reason, is_foreign: true }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    pub(crate) payload_len: u32,
    pub(crate) payload_crc: u32,
    pub(crate) log_id: LogId,
    pub(crate) synced_upto: u64,
    /// Bytes between the payload and the next frame.
    pub(crate) padding: u16,
}

impl FrameHeader {
    /// Header, payload and what follows before the next frame.
    pub(crate) fn frame_len(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + u64::from(self.payload_len) + u64::from(self.padding)
    }

    pub(crate) fn encode(&self, salt: u64, position: u64) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        let mut rest = &mut out[..];
        rest.put_slice(FRAME_MAGIC);
        rest.put_u8(if self.padding == 0 { FORMAT_VERSION } else { PADDED_VERSION });
        rest.put_u8(self.kind.code());
        rest.put_u16_le(self.padding);
        rest.put_u32_le(self.payload_len);
        rest.put_u32_le(self.payload_crc);
        put_log_id(&mut rest, self.log_id);
        rest.put_u64_le(self.synced_upto);
        let crc = header_crc(out.split_at(CRC_AT).0, salt, position);
        out.split_at_mut(CRC_AT).1.copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8], salt: u64, position: u64) -> Result<FrameHeader, BadHeader> {
        let short = |_| no_header("the frame header is cut short");
        let (front, mut crc) =
            bytes.split_at_checked(CRC_AT).ok_or_else(|| no_header("the frame header is cut short"))?;
        let stored = crc.try_get_u32_le().map_err(short)?;
        let mut rest = front;
        let mut magic = [0; 4];
        rest.try_copy_to_slice(&mut magic).map_err(short)?;
        if &magic != FRAME_MAGIC {
            return Err(no_header("there is no frame"));
        }
        if stored != header_crc(front, salt, position) {
            return Err(no_header("the frame header's checksum does not match"));
        }
        let version = rest.try_get_u8().map_err(short)?;
        if version != FORMAT_VERSION && version != PADDED_VERSION {
            return Err(foreign("the frame's format version is not known to this release"));
        }
        let kind = FrameKind::of(rest.try_get_u8().map_err(short)?);
        let padding = rest.try_get_u16_le().map_err(short)?;
        if version == FORMAT_VERSION && padding != 0 || u64::from(padding) >= BLOCK_BYTES {
            return Err(foreign("the frame's padding is not one that is written"));
        }
        let payload_len = rest.try_get_u32_le().map_err(short)?;
        let payload_crc = rest.try_get_u32_le().map_err(short)?;
        let log_id = get_log_id(&mut rest).map_err(short)?;
        let synced_upto = rest.try_get_u64_le().map_err(short)?;
        let kind = kind.ok_or_else(|| foreign("the frame's type is not known to this release"))?;
        Ok(FrameHeader { kind, payload_len, payload_crc, log_id, synced_upto, padding })
    }
}

/// CRC-32C of a payload in pieces.
pub(crate) fn crc_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    parts.into_iter().fold(0, crc32c::crc32c_append)
}

fn header_crc(front: &[u8], salt: u64, position: u64) -> u32 {
    crc_of([&salt.to_le_bytes()[..], &position.to_le_bytes()[..], front])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FrameHeader {
        FrameHeader {
            kind: FrameKind::Entry,
            payload_len: 7,
            payload_crc: 8,
            log_id: LogId { term: 1, node_id: 2, index: 3 },
            synced_upto: 68,
            padding: 0,
        }
    }

    #[test]
    fn a_frame_header_reads_back_only_in_its_own_place() {
        let bytes = header().encode(42, 68);
        assert_eq!(FrameHeader::decode(&bytes, 42, 68), Ok(header()));
        assert!(FrameHeader::decode(&bytes, 42, 69).is_err());
        assert!(FrameHeader::decode(&bytes, 43, 68).is_err());
    }

    #[test]
    fn padding_is_part_of_a_frames_length_and_less_than_a_block() {
        let padded = FrameHeader { padding: 4_095, ..header() };
        assert_eq!(padded.frame_len(), header().frame_len() + 4_095);
        assert_eq!(FrameHeader::decode(&padded.encode(42, 68), 42, 68), Ok(padded));
        let too_long = FrameHeader { padding: 4_096, ..header() };
        assert!(FrameHeader::decode(&too_long.encode(42, 68), 42, 68).is_err());
    }

    #[test]
    fn a_whole_header_of_another_release_is_told_from_a_torn_one() {
        let mut later = header().encode(42, 68);
        later[4] = 3;
        assert!(!FrameHeader::decode(&later, 42, 68).unwrap_err().is_foreign, "its checksum is wrong");
        let crc = header_crc(&later[..CRC_AT], 42, 68);
        later[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        assert!(FrameHeader::decode(&later, 42, 68).unwrap_err().is_foreign);
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let bytes = header().encode(42, 68);
        for at in 0..bytes.len() {
            let mut changed = bytes;
            changed[at] ^= 1;
            assert!(FrameHeader::decode(&changed, 42, 68).is_err(), "byte {at}");
            assert!(FrameHeader::decode(&bytes[..at], 42, 68).is_err(), "cut at {at}");
        }
    }
}
