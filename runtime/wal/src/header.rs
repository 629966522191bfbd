//! The first 68 bytes of every numbered file.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `TIDEWAL\n` |
//! | 8 | 1 | format version, 1 |
//! | 9 | 1 | kind: 1 segment, 2 relocation file, 3 index log |
//! | 10 | 1 | 1 if there is a previous entry, else 0 |
//! | 11 | 1 | 0 |
//! | 12 | 4 | journal id |
//! | 16 | 8 | the file's number, as in its name |
//! | 24 | 8 | salt of the file's frames |
//! | 32 | 8+8+8 | log id (term, node, index) of the entry before the first one |
//! | 56 | 8 | 0 |
//! | 64 | 4 | CRC-32C of the bytes before |
//!
//! Integers are little-endian, here and in all files of the log. A file gets its final name only after
//! its header was synced, so a header that does not check out is corruption, never a torn write.

use bytes::{Buf, BufMut};

use crate::error::Error;
use crate::names::FileId;
use crate::types::LogId;

pub(crate) const FILE_HEADER_BYTES: u64 = 68;
/// Version of every file format of this crate.
pub(crate) const FORMAT_VERSION: u8 = 1;

const MAGIC: &[u8; 8] = b"TIDEWAL\n";
const CRC_AT: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) id: FileId,
    pub(crate) journal_id: u32,
    pub(crate) salt: u64,
    pub(crate) previous: Option<LogId>,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FILE_HEADER_BYTES as usize);
        out.put_slice(MAGIC);
        out.put_u8(FORMAT_VERSION);
        out.put_u8(self.id.kind());
        out.put_u8(u8::from(self.previous.is_some()));
        out.put_u8(0);
        out.put_u32_le(self.journal_id);
        out.put_u64_le(self.id.number());
        out.put_u64_le(self.salt);
        put_log_id(&mut out, self.previous.unwrap_or_default());
        out.put_u64_le(0);
        out.put_u32_le(crc32c::crc32c(&out));
        out
    }

    /// Decodes and checks the header of the file that should be `id` of journal `journal_id`.
    pub(crate) fn decode(bytes: &[u8], id: FileId, journal_id: u32) -> Result<FileHeader, Error> {
        let corrupt = |reason: String| Error::corrupt(&id.name(), 0, reason);
        let short = |_| corrupt("the file header is cut short".into());
        let (front, mut crc) =
            bytes.split_at_checked(CRC_AT).ok_or_else(|| corrupt("the file header is cut short".into()))?;
        if crc.try_get_u32_le().map_err(short)? != crc32c::crc32c(front) {
            return Err(corrupt("the file header's checksum does not match".into()));
        }
        let mut rest = front;
        let mut magic = [0; 8];
        rest.try_copy_to_slice(&mut magic).map_err(short)?;
        let version = rest.try_get_u8().map_err(short)?;
        let kind = rest.try_get_u8().map_err(short)?;
        let has_previous = rest.try_get_u8().map_err(short)?;
        rest.try_get_u8().map_err(short)?;
        let journal = rest.try_get_u32_le().map_err(short)?;
        let number = rest.try_get_u64_le().map_err(short)?;
        let salt = rest.try_get_u64_le().map_err(short)?;
        let previous = get_log_id(&mut rest).map_err(short)?;
        if &magic != MAGIC || kind != id.kind() || number != id.number() {
            return Err(corrupt("the file header is that of another file".into()));
        }
        if version != FORMAT_VERSION {
            return Err(corrupt(format!("format version {version} is not known to this release")));
        }
        if journal != journal_id {
            return Err(corrupt(format!("the file belongs to journal {journal}, not {journal_id}")));
        }
        Ok(FileHeader { id, journal_id, salt, previous: (has_previous == 1).then_some(previous) })
    }
}

pub(crate) fn put_log_id(out: &mut impl BufMut, log_id: LogId) {
    out.put_u64_le(log_id.term);
    out.put_u64_le(log_id.node_id);
    out.put_u64_le(log_id.index);
}

pub(crate) fn get_log_id(buf: &mut impl Buf) -> Result<LogId, bytes::TryGetError> {
    let term = buf.try_get_u64_le()?;
    let node_id = buf.try_get_u64_le()?;
    let index = buf.try_get_u64_le()?;
    Ok(LogId { term, node_id, index })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FileHeader {
        let previous = Some(LogId { term: 1, node_id: 2, index: 3 });
        FileHeader { id: FileId::Segment(4), journal_id: 5, salt: 6, previous }
    }

    #[test]
    fn a_header_reads_back() {
        let bytes = header().encode();
        assert_eq!(bytes.len() as u64, FILE_HEADER_BYTES);
        assert_eq!(FileHeader::decode(&bytes, FileId::Segment(4), 5).unwrap(), header());
        let first = FileHeader { previous: None, ..header() };
        assert_eq!(FileHeader::decode(&first.encode(), FileId::Segment(4), 5).unwrap(), first);
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let bytes = header().encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(FileHeader::decode(&changed, FileId::Segment(4), 5).is_err(), "byte {at}");
            assert!(FileHeader::decode(&bytes[..at], FileId::Segment(4), 5).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_file_of_another_journal_or_place_is_refused() {
        let bytes = header().encode();
        assert!(FileHeader::decode(&bytes, FileId::Segment(4), 6).is_err());
        assert!(FileHeader::decode(&bytes, FileId::Segment(5), 5).is_err());
        assert!(FileHeader::decode(&bytes, FileId::IndexLog(4), 5).is_err());
    }
}
