//! The fetched pages of one column chunk, one after the other, each decompressed when it is asked for.
//!
//! This takes the place of the Parquet crate's reader, which makes a compressor and a decompressor for every column of
//! every read: for reads of a megabyte that cost more than decompressing.

use std::collections::VecDeque;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};

use crate::error::{Error, corrupt};
use crate::footer::{Footer, chunk_range};
use crate::page_codec::decompress;
use crate::page_header::PageHeader;
use crate::plan::{page_range, position};
use crate::sparse_file::SparseFile;

/// A page still to be read.
#[derive(Clone, Copy)]
struct Next {
    start: u64,
    end: u64,
    /// Rows in it; of a dictionary none.
    rows: usize,
    is_dictionary: bool,
}

/// Pages of a column chunk in file order.
pub(crate) struct PageCursor {
    file: SparseFile,
    codec: Compression,
    pages: VecDeque<Next>,
}

impl PageCursor {
    /// All pages of a column in a row group, fetched or not.
    pub(crate) fn open(footer: &Footer, file: &SparseFile, group: usize, leaf: usize) -> Result<Self, Error> {
        let missing = || corrupt("a row group lacks a column");
        let facts = footer.metadata().row_groups().get(group).ok_or_else(missing)?;
        let column = facts.columns().get(leaf).ok_or_else(missing)?;
        let locations = footer.offset_index(group, leaf).ok_or_else(missing)?.page_locations();
        let mut pages = VecDeque::with_capacity(locations.len() + 1);
        let (start, _) = chunk_range(column).ok_or_else(missing)?;
        if let Some(first) = locations.first().map(position).filter(|first| *first > start) {
            pages.push_back(Next { start, end: first, rows: 0, is_dictionary: true });
        }
        let ends = locations.iter().skip(1).map(|page| page.first_row_index).chain([facts.num_rows()]);
        for (page, end) in locations.iter().zip(ends) {
            let rows = usize::try_from(end - page.first_row_index).map_err(|_| missing())?;
            let range = page_range(page);
            pages.push_back(Next { start: range.start, end: range.end, rows, is_dictionary: false });
        }
        Ok(PageCursor { file: file.clone(), codec: column.compression(), pages })
    }

    fn peek(&self) -> Option<Next> {
        self.pages.front().copied()
    }

    /// Whether the dictionary comes next.
    pub(crate) fn is_at_dictionary(&self) -> bool {
        self.peek().is_some_and(|page| page.is_dictionary)
    }

    /// Passes over whole pages of the next `rows` rows without reading them; gives the rows still to be passed over.
    /// A dictionary stays the next page.
    pub(crate) fn skip_pages(&mut self, mut rows: usize) -> usize {
        let first = usize::from(self.is_at_dictionary());
        while let Some(page) = self.pages.get(first).filter(|page| page.rows <= rows) {
            rows -= page.rows;
            self.pages.remove(first);
        }
        rows
    }

    /// The next page's header, and its body: as it is in the file if it is stored plainly, else in `memory`.
    pub(crate) fn read(
        &mut self,
        memory: &mut Vec<u8>,
    ) -> Result<Option<(PageHeader, Option<Bytes>)>, Error> {
        let Some(page) = self.pages.pop_front() else {
            return Ok(None);
        };
        let bytes = self.file.slice(page.start..page.end).ok_or_else(|| corrupt("a page was not fetched"))?;
        let (header, body) = PageHeader::parse(&bytes)?;
        if header.is_dictionary != page.is_dictionary {
            return Err(corrupt("a dictionary is where no dictionary should be"));
        }
        if self.codec == Compression::UNCOMPRESSED && header.raw_bytes == header.stored_bytes {
            return Ok(Some((header, Some(bytes.slice_ref(body)))));
        }
        decompress(self.codec, body, header.raw_bytes, memory)?;
        Ok(Some((header, None)))
    }

    fn next_page(&mut self) -> Result<Option<Page>, Error> {
        let mut memory = Vec::new();
        let Some((header, stored)) = self.read(&mut memory)? else {
            return Ok(None);
        };
        let buf = stored.unwrap_or_else(|| Bytes::from(memory));
        let encoding = header.encoding;
        Ok(Some(match header.is_dictionary {
            true => Page::DictionaryPage { buf, num_values: header.values, encoding, is_sorted: false },
            false => Page::DataPage {
                buf,
                num_values: header.values,
                encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            },
        }))
    }
}

fn for_parquet(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl Iterator for PageCursor {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_page().map_err(for_parquet).transpose()
    }
}

impl PageReader for PageCursor {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        self.next_page().map_err(for_parquet)
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Ok(self.peek().map(|page| PageMetadata {
            num_rows: (!page.is_dictionary).then_some(page.rows),
            num_levels: None,
            is_dict: page.is_dictionary,
        }))
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pages.pop_front();
        Ok(())
    }
}
