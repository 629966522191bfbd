//! Making a changed object look sound.

use tidemill_archive_format::BLOCK_BYTES;

/// Makes all checksums right again, as somebody who means harm would; by the format's description. Gives the checksum
/// of the whole, if what is there still looks like a batch table.
pub fn forge(bytes: &mut [u8], footer_bytes: usize) -> Option<u32> {
    let (body, footer) = bytes.split_at_mut(bytes.len().checked_sub(footer_bytes)?);
    let number =
        |at: usize, footer: &[u8]| Some(u32::from_le_bytes(footer.get(at..at + 4)?.try_into().ok()?));
    let table_len = number(16, footer)? as usize;
    let directory_len = number(24, footer)? as usize;
    let mut at = 36usize.checked_add(directory_len)?;
    for block in body.chunks(BLOCK_BYTES as usize) {
        footer.get_mut(at..at + 4)?.copy_from_slice(&crc32c::crc32c(block).to_le_bytes());
        at += 4;
    }
    footer.get_mut(8..12)?.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    let table = crc32c::crc32c(footer.get(36..table_len)?);
    footer.get_mut(12..16)?.copy_from_slice(&table.to_le_bytes());
    Some(crc32c::crc32c(bytes))
}
