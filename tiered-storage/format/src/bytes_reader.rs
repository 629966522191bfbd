//! The `value` and `key` columns, read straight out of their pages: most of the bytes of an object are here, and going
//! through columns of values would touch each of them once more.

use std::ops::Range;

use bytes::Bytes;
use parquet::basic::Encoding;

use crate::error::{Error, corrupt};
use crate::footer::Footer;
use crate::hybrid::HybridReader;
use crate::levels::levels;
use crate::page_codec::{keep_memory, take_memory};
use crate::page_cursor::PageCursor;
use crate::page_header::PageHeader;
use crate::sparse_file::SparseFile;

/// Where the value is that was read last.
enum Place {
    /// Nowhere: it is null.
    Null,
    /// In the page.
    Page(Range<usize>),
    /// In the dictionary.
    Dictionary(Range<usize>),
}

/// Reads the byte strings of a column in order.
///
/// Where the last one is stays in here. A `Result` that hands it out is written a few bytes at a time and read as words, for
/// which a processor first has to finish whatever it is writing, here the value before: 7 % of a fetch.
pub(crate) struct BytesReader {
    pages: PageCursor,
    dictionary: Dictionary,
    /// The page's body, if it is stored plainly; else it is in `memory`.
    stored: Option<Bytes>,
    memory: Vec<u8>,
    levels: HybridReader,
    /// Positions in the dictionary, if the page has those instead of values.
    positions: Option<HybridReader>,
    left: u32,
    next: usize,
    place: Place,
}

impl BytesReader {
    /// A column of a row group from a row on.
    pub(crate) fn open(
        footer: &Footer,
        file: &SparseFile,
        group: usize,
        leaf: usize,
        row: usize,
    ) -> Result<Self, Error> {
        let mut pages = PageCursor::open(footer, file, group, leaf)?;
        let mut dictionary = Dictionary::default();
        if pages.is_at_dictionary() {
            let mut memory = Vec::new();
            if let Some((header, stored)) = pages.read(&mut memory)? {
                dictionary = Dictionary::parse(&header, stored.unwrap_or_else(|| memory.into()))?;
            }
        }
        let rest = pages.skip_pages(row);
        let (levels, memory) = (HybridReader::default(), take_memory());
        let mut reader = BytesReader {
            pages,
            dictionary,
            stored: None,
            memory,
            levels,
            positions: None,
            left: 0,
            next: 0,
            place: Place::Null,
        };
        for _ in 0..rest {
            reader.next()?;
        }
        Ok(reader)
    }

    /// Goes to the next value.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<(), Error> {
        while self.left == 0 {
            self.open_page()?;
        }
        self.left -= 1;
        let page = self.stored.as_deref().unwrap_or(&self.memory);
        if self.levels.next(page)? == 0 {
            self.place = Place::Null;
        } else if let Some(positions) = &mut self.positions {
            let place = self.dictionary.places.get(positions.next(page)? as usize);
            self.place = Place::Dictionary(place.cloned().ok_or_else(too_short)?);
        } else {
            let place = plain(page, self.next)?;
            self.next = place.end;
            self.place = Place::Page(place);
        }
        Ok(())
    }

    /// The value; none if it is null.
    #[inline]
    pub(crate) fn value(&self) -> Option<&[u8]> {
        match &self.place {
            Place::Null => None,
            Place::Page(range) => self.stored.as_deref().unwrap_or(&self.memory).get(range.clone()),
            Place::Dictionary(range) => self.dictionary.bytes.get(range.clone()),
        }
    }

    #[inline(never)]
    fn open_page(&mut self) -> Result<(), Error> {
        let few = || corrupt("the columns have too few rows");
        let (header, stored) = self.pages.read(&mut self.memory)?.ok_or_else(few)?;
        self.stored = stored;
        self.left = header.values;
        let page = self.stored.as_deref().unwrap_or(&self.memory);
        (self.levels, self.next) = levels(page)?;
        self.positions = match header.encoding {
            Encoding::PLAIN => None,
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => {
                // A page of nothing but nulls may end here.
                let width = page.get(self.next).copied().unwrap_or(0);
                let part = page.len().min(self.next + 1)..page.len();
                Some(HybridReader::new(u32::from(width), part)?)
            }
            _ => {
                return Err(corrupt(
                    "a page of byte strings has an encoding that archive objects do not use",
                ));
            }
        };
        Ok(())
    }
}

impl Drop for BytesReader {
    fn drop(&mut self) {
        keep_memory(std::mem::take(&mut self.memory));
    }
}

/// The different values of a column chunk.
#[derive(Default)]
struct Dictionary {
    bytes: Bytes,
    places: Vec<Range<usize>>,
}

impl Dictionary {
    fn parse(header: &PageHeader, bytes: Bytes) -> Result<Self, Error> {
        if !matches!(header.encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
            return Err(corrupt("a dictionary is not encoded plainly"));
        }
        let mut places: Vec<Range<usize>> = Vec::new();
        for _ in 0..header.values {
            let next = places.last().map_or(0, |last| last.end);
            places.push(plain(&bytes, next)?);
        }
        Ok(Dictionary { bytes, places })
    }
}

/// Where the byte string is whose length stands here.
#[inline]
fn plain(page: &[u8], at: usize) -> Result<Range<usize>, Error> {
    let rest = page.get(at..).unwrap_or_default();
    let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
    let len = u32::from_le_bytes(*len) as usize;
    let start = at + 4;
    if len > rest.len() { Err(too_short()) } else { Ok(start..start + len) }
}

fn too_short() -> Error {
    corrupt("a page has fewer values than its header says")
}
