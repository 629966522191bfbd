//! Reading an object from end to end to see that it is what its manifest entry says.

use tidemill_archive_format::{Codec, Footer};
use tidemill_records::Compression;

use crate::archive::{Archive, ObjectRef};
use crate::backend::blocking;
use crate::error::Error;

/// Wire bytes decoded at a time.
const STEP_BYTES: usize = 8 << 20;

/// What a verified object holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Batches of all kinds.
    pub batches: u64,
    /// Records in them, control records included.
    pub records: u64,
    /// Committed records: rows in the columns.
    pub rows: u64,
}

impl Archive {
    /// Reads the whole object from the store, past all caches: length, checksum, then every batch.
    pub async fn verify(&self, object: &ObjectRef) -> Result<Verified, Error> {
        let corrupt = |reason: String| Error::Corrupt { path: object.path.clone(), reason };
        let measured = self.backend().measure(&object.path).await?;
        if measured.length_bytes != object.length_bytes {
            let (found, expected) = (measured.length_bytes, object.length_bytes);
            return Err(corrupt(format!("it has {found} bytes instead of {expected}")));
        }
        if measured.crc32c != object.crc32c {
            return Err(corrupt("its checksum is not the one in the manifest".to_owned()));
        }
        let footer = self.footer(object).await?;
        let mut verified = Verified { rows: footer.row_count(), ..Verified::default() };
        let mut offset = 0;
        while let Some(plan) =
            footer.plan(offset, STEP_BYTES).map_err(|error| Error::format(&object.path, &error))?
        {
            let bytes = self.backend().get_ranges(&object.path, plan.ranges()).await?;
            let (decoder, path) = (footer.clone(), object.path.clone());
            let codec = Codec::Fixed(Compression::None);
            let decoded = blocking(move || {
                Footer::decode(&decoder, &plan, bytes, codec).map_err(|error| Error::format(&path, &error))
            })
            .await?;
            verified.batches += decoded.batches.len() as u64;
            verified.records += decoded
                .batches
                .iter()
                .map(|batch| u64::from(batch.record_count().unsigned_abs()))
                .sum::<u64>();
            offset = decoded.next_offset;
        }
        if verified.batches != footer.batch_count() {
            let (found, expected) = (verified.batches, footer.batch_count());
            return Err(corrupt(format!("it has {found} batches instead of {expected}")));
        }
        Ok(verified)
    }
}
