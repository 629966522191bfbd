//! Damaged and forged objects: an error or the right answer, never a panic, never a wrong answer
//! where the checksum is known.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod model;

use bytes::Bytes;
use model::forge::forge;
use model::{Object, assert_same, batches, expected_compression, seal, tiny};
use proptest::prelude::*;
use tidemill_archive_format::{Codec, ColumnCodec, Decoded, Error, Footer};

/// Reads everything, and looks timestamps up, whatever comes of it.
fn read_all(object: &Object) -> Result<Vec<Decoded>, Error> {
    let footer = object.footer()?;
    let mut all = Vec::new();
    let mut offset = 0;
    while let Some(read) = object.read(&footer, offset, 4096, Codec::AsProduced)? {
        offset = read.next_offset;
        all.push(read);
    }
    if let Some(plan) = footer.plan_timestamp(0, 1_700_000_000_000)? {
        footer.decode(&plan, object.fetch(&plan), Codec::AsProduced)?;
    }
    Ok(all)
}

fn codecs() -> impl Strategy<Value = ColumnCodec> {
    proptest::sample::select(vec![ColumnCodec::Zstd, ColumnCodec::Lz4, ColumnCodec::None])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_is_found_or_harmless(
        batches in batches(),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let mut object = seal(&batches, tiny(ColumnCodec::Zstd));
        let mut bytes = object.bytes.to_vec();
        bytes[at.index(object.bytes.len())] ^= 1 << bit;
        object.bytes = Bytes::from(bytes);
        if let Ok(read) = read_all(&object) {
            let read = read.iter().flat_map(|read| &read.batches);
            for (batch, (original, _)) in read.zip(&batches) {
                assert_same(batch, original, expected_compression(original, Codec::AsProduced));
            }
        }
    }

    #[test]
    fn forged_objects_never_panic(
        batches in batches(),
        codec in codecs(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..20),
        cut in prop_oneof![8 => Just(0usize), 1 => 1..200usize],
    ) {
        let mut object = seal(&batches, tiny(codec));
        let footer_bytes = object.summary.footer_bytes as usize;
        let mut bytes = object.bytes.to_vec();
        let body = bytes.len() - footer_bytes;
        for (at, byte, in_footer) in edits {
            let range = if in_footer { body..bytes.len() } else { 0..bytes.len() };
            bytes[range.start + at.index(range.len())] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        object.summary.footer_bytes -= cut as u32;
        if let Some(crc32c) = forge(&mut bytes, footer_bytes - cut) {
            object.summary.crc32c = crc32c;
        }
        object.bytes = Bytes::from(bytes);
        let _ = read_all(&object);
    }

    #[test]
    fn noise_is_no_footer(noise in proptest::collection::vec(any::<u8>(), 0..300), length in any::<u64>()) {
        let mut magic = b"TMBT\x01\0\0\0".to_vec();
        magic.extend_from_slice(&noise);
        prop_assert!(Footer::parse(Bytes::from(noise), length, None).is_err());
        prop_assert!(Footer::parse(Bytes::from(magic), length, None).is_err());
    }
}

#[test]
fn a_newer_version_is_named() {
    let mut object = seal(&[], tiny(ColumnCodec::Zstd));
    let mut bytes = object.bytes.to_vec();
    let version = bytes.len() - object.summary.footer_bytes as usize + 4;
    bytes[version] = 9;
    object.bytes = Bytes::from(bytes);
    assert!(matches!(object.footer(), Err(Error::Version(9, 1))));
}
