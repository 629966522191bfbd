//! CRC-32C (Castagnoli; RFC 3720 calls it iSCSI's), the checksum of Kafka's record batches and of
//! everything we store.
//!
//! Each batch is summed at least twice on its way to the disk, so the speed of this shows in the cost
//! of a produced byte. The work is `crc-fast`'s, which folds with carry-less multiplication where the
//! processor can; this crate is the one place that names it.
//!
//! ```
//! let whole = crc32c::crc32c(b"123456789");
//! assert_eq!(whole, 0xE306_9283);
//! assert_eq!(crc32c::crc32c_append(crc32c::crc32c(b"12345"), b"6789"), whole);
//! assert_eq!(crc32c::crc32c_combine(crc32c::crc32c(b"12345"), crc32c::crc32c(b"6789"), 4), whole);
//! ```

use crc_fast::CrcAlgorithm::Crc32Iscsi;
use crc_fast::{Digest, checksum, checksum_combine};

/// The checksum of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    narrow(checksum(Crc32Iscsi, bytes))
}

/// The checksum of what has the checksum `crc`, followed by `bytes`.
#[must_use]
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    // The register holds the complement of the checksum so far.
    let mut digest = Digest::new_with_init_state(Crc32Iscsi, u64::from(!crc));
    digest.update(bytes);
    narrow(digest.finalize())
}

/// The checksum of what has the checksum `first`, followed by `second_bytes` bytes that have the
/// checksum `second`. Takes time in proportion to the logarithm of the length.
#[must_use]
pub fn crc32c_combine(first: u32, second: u32, second_bytes: usize) -> u32 {
    narrow(checksum_combine(Crc32Iscsi, u64::from(first), u64::from(second), second_bytes as u64))
}

/// A 32-bit checksum comes in the low half of the library's 64 bits.
fn narrow(crc: u64) -> u32 {
    crc as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bit by bit, as the polynomial says.
    fn plain(bytes: &[u8]) -> u32 {
        let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        !bytes.iter().fold(!0, |crc: u32, byte| (0..8).fold(crc ^ u32::from(*byte), step))
    }

    /// RFC 3720, B.4.
    #[test]
    fn test_vectors() {
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&ascending), 0x46DD_794E);
        assert_eq!(crc32c(&[]), 0);
    }

    proptest! {
        #[test]
        fn parts_and_whole_agree(bytes in prop::collection::vec(any::<u8>(), 0..5000), at in 0usize..5000) {
            let (front, back) = bytes.split_at(at.min(bytes.len()));
            let whole = plain(&bytes);
            prop_assert_eq!(crc32c(&bytes), whole);
            prop_assert_eq!(crc32c_append(crc32c(front), back), whole);
            prop_assert_eq!(crc32c_combine(crc32c(front), crc32c(back), back.len()), whole);
        }
    }
}
