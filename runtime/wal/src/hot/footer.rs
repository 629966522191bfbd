//! The index at the end of a closed file, as the payload of its last frame:
//!
//! 1. *sections*: one per run of consecutive batches of a partition, its extents (`extent.rs`) in
//!    offset order;
//! 2. the *directory*: 68 bytes per section, sorted by partition and offset;
//! 3. the *trailer*: the last 64 bytes of the file.
//!
//! Directory entry: topic id 16, partition 4, first offset 8, last offset 8, largest timestamp 8,
//! batch bytes 8, section position 8, count of batches 4, CRC-32C of the section 4.
//!
//! Trailer: `TIDEFOOT` 8, position of the footer's frame 8, position of the directory 8, count of
//! its entries 4, its CRC-32C 4, 1 if the file has entries else 0, zeros 3, log id of the last entry
//! 8+8+8, CRC-32C of the file's salt and the 60 bytes before 4.
//!
//! Opening a file reads trailer and directory; a section is read when somebody asks for it.

use std::sync::Arc;

use bytes::{Buf, BufMut, TryGetError};
use uuid::Uuid;

use super::extent::{BatchExtent, EXTENT_BYTES};
use super::span::{SectionRef, Span};
use crate::error::Error;
use crate::file::WalFile;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, crc_of};
use crate::header::{FILE_HEADER_BYTES, get_log_id, put_log_id};
use crate::types::{LogId, WalPartition};

const MAGIC: &[u8; 8] = b"TIDEFOOT";
const TRAILER_BYTES: usize = 64;
const TRAILER_CRC_AT: usize = 60;
const DIRECTORY_ENTRY_BYTES: usize = 68;

/// A run of batches to be written.
pub(crate) struct Section {
    pub(crate) partition: WalPartition,
    pub(crate) extents: Arc<Vec<BatchExtent>>,
}

/// A footer's bytes and the spans that it describes.
pub(crate) struct EncodedFooter {
    pub(crate) payload: Vec<u8>,
    pub(crate) spans: Vec<(WalPartition, Span)>,
}

/// What a file's footer says without its sections.
pub(crate) struct Footer {
    /// Where its frame begins: the end of entries or moved batches.
    pub(crate) position: u64,
    pub(crate) last: Option<LogId>,
    pub(crate) spans: Vec<(WalPartition, Span)>,
}

struct Trailer {
    position: u64,
    directory_at: u64,
    count: u32,
    directory_crc: u32,
    last: Option<LogId>,
}

/// Encodes the footer of `file` whose frame will stand at `position`.
pub(crate) fn encode(
    file: &WalFile,
    position: u64,
    last: Option<LogId>,
    mut sections: Vec<Section>,
) -> EncodedFooter {
    sections.retain(|section| !section.extents.is_empty());
    sections
        .sort_by_key(|section| (section.partition, section.extents.first().map(|first| first.base_offset)));
    let payload_at = position + FRAME_HEADER_BYTES as u64;
    let mut payload = Vec::new();
    let mut spans = Vec::with_capacity(sections.len());
    for section in &sections {
        let at = payload.len();
        section.extents.iter().for_each(|extent| extent.put(&mut payload));
        let crc = crc_of([payload.get(at..).unwrap_or_default()]);
        let section_ref =
            SectionRef { position: payload_at + at as u64, count: section.extents.len() as u32, crc };
        if let Some(span) = span_of(file, &section.extents, Some(section_ref)) {
            spans.push((section.partition, span));
        }
    }
    let directory_at = payload.len();
    for (partition, span) in &spans {
        put_directory_entry(&mut payload, *partition, span);
    }
    let directory_crc = crc_of([payload.get(directory_at..).unwrap_or_default()]);
    let trailer_at = payload.len();
    payload.put_slice(MAGIC);
    payload.put_u64_le(position);
    payload.put_u64_le(payload_at + directory_at as u64);
    payload.put_u32_le(spans.len() as u32);
    payload.put_u32_le(directory_crc);
    payload.put_u8(u8::from(last.is_some()));
    payload.put_slice(&[0; 3]);
    put_log_id(&mut payload, last.unwrap_or_default());
    let crc = crc_of([&file.salt.to_le_bytes()[..], payload.get(trailer_at..).unwrap_or_default()]);
    payload.put_u32_le(crc);
    EncodedFooter { payload, spans }
}

/// The span that these batches of one file make up.
pub(crate) fn span_of(file: &WalFile, extents: &[BatchExtent], section: Option<SectionRef>) -> Option<Span> {
    let (first, last) = (extents.first()?, extents.last()?);
    Some(Span {
        file: file.id,
        from: first.base_offset,
        last: last.last_offset,
        max_timestamp_ms: extents.iter().map(|extent| extent.max_timestamp_ms).max()?,
        bytes: extents.iter().map(|extent| u64::from(extent.size)).sum(),
        exact: true,
        section,
    })
}

/// The footer's frame header.
pub(crate) fn frame_header(payload: &[u8], last: Option<LogId>, synced_upto: u64) -> FrameHeader {
    FrameHeader {
        kind: FrameKind::Footer,
        payload_len: payload.len() as u32,
        payload_crc: crc_of([payload]),
        log_id: last.unwrap_or_default(),
        synced_upto,
        padding: 0,
    }
}

/// Reads the footer of a file of `len` bytes; none if it does not end in a trailer and directory that
/// check out. Sections may still be torn if the footer was never synced: see [`is_whole`].
pub(crate) fn read(file: &WalFile, len: u64) -> Result<Option<Footer>, Error> {
    let Some(trailer_at) = len.checked_sub(TRAILER_BYTES as u64).filter(|at| *at >= FILE_HEADER_BYTES) else {
        return Ok(None);
    };
    let bytes = file.read(trailer_at, TRAILER_BYTES)?;
    let (front, mut crc) = bytes.split_at_checked(TRAILER_CRC_AT).unwrap_or_default();
    let expected = crc_of([&file.salt.to_le_bytes()[..], front]);
    if !front.starts_with(MAGIC) || crc.try_get_u32_le().ok() != Some(expected) {
        return Ok(None);
    }
    let trailer = Trailer::get(front).map_err(|_| file.corrupt(trailer_at, "the trailer is cut short"))?;
    let directory_len = u64::from(trailer.count) * DIRECTORY_ENTRY_BYTES as u64;
    let in_order = FILE_HEADER_BYTES <= trailer.position
        && trailer
            .position
            .checked_add(FRAME_HEADER_BYTES as u64)
            .is_some_and(|at| at <= trailer.directory_at)
        && trailer.directory_at.checked_add(directory_len) == Some(trailer_at);
    if !in_order {
        return Err(file.corrupt(trailer_at, "the trailer makes no sense"));
    }
    let directory = file.read(trailer.directory_at, directory_len as usize)?;
    if crc_of([&directory[..]]) != trailer.directory_crc {
        return Ok(None);
    }
    let mut rest = directory.freeze();
    let mut spans = Vec::with_capacity(trailer.count as usize);
    for _ in 0..trailer.count {
        let entry = get_directory_entry(&mut rest, file)
            .map_err(|_| file.corrupt(trailer.directory_at, "the footer's directory is cut short"))?;
        check_entry(&entry.1, &trailer).map_err(|reason| file.corrupt(trailer.directory_at, reason))?;
        spans.push(entry);
    }
    Ok(Some(Footer { position: trailer.position, last: trailer.last, spans }))
}

/// Whether all of the footer is there, sections included.
pub(crate) fn is_whole(file: &WalFile, footer: &Footer, len: u64) -> Result<bool, Error> {
    let payload_at = footer.position + FRAME_HEADER_BYTES as u64;
    let bytes = file.read(footer.position, (len - footer.position) as usize)?;
    let (header, payload) = bytes.split_at_checked(FRAME_HEADER_BYTES).unwrap_or_default();
    let header = FrameHeader::decode(header, file.salt, footer.position);
    Ok(header.is_ok_and(|header| {
        header.kind == FrameKind::Footer
            && payload_at + u64::from(header.payload_len) == len
            && header.payload_crc == crc_of([payload])
    }))
}

/// Reads the batches of a section.
pub(crate) fn read_section(file: &WalFile, section: SectionRef) -> Result<Vec<BatchExtent>, Error> {
    let bytes = file.read(section.position, section.count as usize * EXTENT_BYTES)?.freeze();
    if crc_of([&bytes[..]]) != section.crc {
        return Err(file.corrupt(section.position, "a footer section does not match its checksum"));
    }
    let mut rest = bytes;
    let mut extents: Vec<BatchExtent> = Vec::with_capacity(section.count as usize);
    for _ in 0..section.count {
        let extent = BatchExtent::get(&mut rest, section.position)
            .map_err(|reason| file.corrupt(section.position, reason))?;
        if extents.last().is_some_and(|before| before.last_offset >= extent.base_offset) {
            return Err(file.corrupt(section.position, "a footer section is out of order"));
        }
        extents.push(extent);
    }
    Ok(extents)
}

fn put_directory_entry(out: &mut Vec<u8>, partition: WalPartition, span: &Span) {
    let section = span.section.unwrap_or(SectionRef { position: 0, count: 0, crc: 0 });
    out.put_slice(partition.topic_id.as_bytes());
    out.put_i32_le(partition.partition);
    out.put_i64_le(span.from);
    out.put_i64_le(span.last);
    out.put_i64_le(span.max_timestamp_ms);
    out.put_u64_le(span.bytes);
    out.put_u64_le(section.position);
    out.put_u32_le(section.count);
    out.put_u32_le(section.crc);
}

fn get_directory_entry(buf: &mut impl Buf, file: &WalFile) -> Result<(WalPartition, Span), TryGetError> {
    let mut topic_id = [0; 16];
    buf.try_copy_to_slice(&mut topic_id)?;
    let partition = WalPartition { topic_id: Uuid::from_bytes(topic_id), partition: buf.try_get_i32_le()? };
    let from = buf.try_get_i64_le()?;
    let last = buf.try_get_i64_le()?;
    let max_timestamp_ms = buf.try_get_i64_le()?;
    let bytes = buf.try_get_u64_le()?;
    let position = buf.try_get_u64_le()?;
    let count = buf.try_get_u32_le()?;
    let section = Some(SectionRef { position, count, crc: buf.try_get_u32_le()? });
    Ok((partition, Span { file: file.id, from, last, max_timestamp_ms, bytes, exact: true, section }))
}

fn check_entry(span: &Span, trailer: &Trailer) -> Result<(), &'static str> {
    let section = span.section.ok_or("a directory entry has no section")?;
    let len = u64::from(section.count) * EXTENT_BYTES as u64;
    let inside = section.position >= trailer.position
        && section.position.checked_add(len).is_some_and(|end| end <= trailer.directory_at);
    if inside
        && section.count > 0
        && span.from >= 0
        && span.last >= span.from
        && span.bytes <= trailer.position
    {
        Ok(())
    } else {
        Err("a directory entry makes no sense")
    }
}

impl Trailer {
    fn get(mut front: &[u8]) -> Result<Trailer, TryGetError> {
        front.advance(MAGIC.len());
        let position = front.try_get_u64_le()?;
        let directory_at = front.try_get_u64_le()?;
        let count = front.try_get_u32_le()?;
        let directory_crc = front.try_get_u32_le()?;
        let has_last = front.try_get_u8()?;
        front.advance(3);
        let last = get_log_id(&mut front)?;
        Ok(Trailer { position, directory_at, count, directory_crc, last: (has_last == 1).then_some(last) })
    }
}
