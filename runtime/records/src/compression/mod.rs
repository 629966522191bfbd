//! The codecs of record sections, in the framing that Kafka's clients use for each.
//!
//! Decompression is bounded: it stops as soon as the output exceeds the caller's limit, and never
//! allocates by a size that the input claims (but for decoder windows with small fixed bounds).

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::cell::RefCell;
use std::fmt;
use std::io::Read;

use crate::error::Error;

/// A thread keeps no larger buffer than this for its next batch.
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// How a batch's record section is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in the framing of the Java library; raw snappy is read as well.
    Snappy,
    /// LZ4 frames of independent blocks.
    Lz4,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The id in a batch's attributes.
    pub fn id(self) -> i16 {
        match self {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        }
    }

    /// The compression with this id.
    pub fn from_id(id: i16) -> Option<Compression> {
        Compression::ALL.into_iter().find(|compression| compression.id() == id)
    }

    /// Kafka's name, as in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The compression of this name (`uncompressed` is another one for `none`).
    pub fn from_name(name: &str) -> Option<Compression> {
        if name == "uncompressed" {
            return Some(Compression::None);
        }
        Compression::ALL.into_iter().find(|compression| compression.name() == name)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Compresses a record section, at the codec's default level unless another is given.
pub(crate) fn compress(codec: Compression, level: Option<i32>, section: &[u8]) -> Result<Vec<u8>, Error> {
    let result = match codec {
        Compression::None => Ok(section.to_vec()),
        Compression::Gzip => gzip::compress(section, level),
        Compression::Snappy => snappy::compress(section),
        Compression::Lz4 => lz4::compress(section),
        Compression::Zstd => zstd::compress(section, level),
    };
    result.map_err(|reason| Error::Compress { codec, reason })
}

/// Buffers and decoder state to use again for batch after batch.
#[derive(Default)]
pub struct Scratch {
    section: Vec<u8>,
    snappy: snap::raw::Decoder,
    zstd: Option<zstd::Decoder>,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("capacity", &self.section.capacity()).finish_non_exhaustive()
    }
}

impl Scratch {
    /// Decompresses a section into the buffer kept here.
    pub fn decompress(
        &mut self,
        codec: Compression,
        section: &[u8],
        max_bytes: usize,
    ) -> Result<&[u8], Error> {
        let mut out = std::mem::take(&mut self.section);
        if out.capacity() > MAX_KEPT_BYTES {
            out = Vec::new();
        }
        let result = self.decompress_into(codec, section, max_bytes, &mut out);
        self.section = out;
        result.map(|()| self.section.as_slice())
    }

    /// Decompresses a section into `out`, whose content is replaced.
    pub(crate) fn decompress_into(
        &mut self,
        codec: Compression,
        section: &[u8],
        max_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        out.clear();
        let mut output = Output { out, max_bytes };
        let result = match codec {
            Compression::None => output.copy(section),
            Compression::Gzip => gzip::decompress(section, &mut output),
            Compression::Snappy => snappy::decompress(&mut self.snappy, section, &mut output),
            Compression::Lz4 => lz4::decompress(section, &mut output),
            Compression::Zstd => zstd::decompress(&mut self.zstd, section, &mut output),
        };
        result.map_err(|stop| match stop {
            Stop::TooLarge => {
                Error::DecompressedTooLarge { codec, compressed: section.len(), limit: max_bytes }
            }
            Stop::Broken(reason) => Error::Decompress { codec, reason },
        })
    }

    fn forget_large(&mut self) {
        if self.section.capacity() > MAX_KEPT_BYTES {
            self.section = Vec::new();
        }
    }
}

/// Runs `work` with the thread's own buffers.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => {
            let result = work(&mut scratch);
            scratch.forget_large();
            result
        }
        Err(_) => work(&mut Scratch::default()),
    })
}

/// Why decompression stopped.
enum Stop {
    TooLarge,
    Broken(String),
}

impl Stop {
    fn broken(reason: impl fmt::Display) -> Stop {
        Stop::Broken(reason.to_string())
    }
}

/// Where decompressed bytes go, up to a limit.
struct Output<'a> {
    out: &'a mut Vec<u8>,
    max_bytes: usize,
}

impl Output<'_> {
    fn room(&self) -> usize {
        self.max_bytes.saturating_sub(self.out.len())
    }

    fn copy(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.len() > self.room() {
            return Err(Stop::TooLarge);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes all that a decoder yields.
    fn drain(&mut self, decoder: &mut impl Read) -> Result<(), Stop> {
        // One byte more than allowed is enough to know.
        let room = (self.room() as u64).saturating_add(1);
        let result = decoder.take(room).read_to_end(self.out);
        if self.out.len() > self.max_bytes {
            return Err(Stop::TooLarge);
        }
        result.map(|_| ()).map_err(Stop::broken)
    }
}
