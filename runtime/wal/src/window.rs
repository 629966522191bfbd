//! Sequential reading of a file through a buffer that moves along.

use std::io;

use tidemill_disk::DiskFile;

const READ_AHEAD: usize = 256 << 10;

pub(crate) struct Window<'a> {
    file: &'a dyn DiskFile,
    file_len: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, file_len: u64) -> Window<'a> {
        Window { file, file_len, start: 0, buffer: Vec::new() }
    }

    /// The bytes at `position`, or none if the file ends before `position + len`.
    pub(crate) fn get(&mut self, position: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let Some(end) = position.checked_add(len as u64).filter(|end| *end <= self.file_len) else {
            return Ok(None);
        };
        if position < self.start || end > self.start + self.buffer.len() as u64 {
            let rest = usize::try_from(self.file_len - position).unwrap_or(usize::MAX);
            self.buffer.clear();
            self.buffer.resize(len.max(READ_AHEAD.min(rest)), 0);
            self.start = position;
            self.file.read_exact_at(&mut self.buffer, position)?;
        }
        let from = (position - self.start) as usize;
        Ok(self.buffer.get(from..from + len))
    }
}
