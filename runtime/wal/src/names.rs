//! File names inside the log's directory.
//!
//! `<first index>.wal` segments, `<sequence>.hot` relocation files, `<first index>.idx` index logs of
//! segments without a footer; numbers have 20 digits, so that names sort by number. `vote` and
//! `purged` are small values; `*.tmp` is unfinished, or a spare file, and removed at open.

/// A numbered file. Ordered with relocation files first: their batches are the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FileId {
    /// Batches copied forward from files that were due; numbered in the order of making.
    Relocation(u64),
    /// Log entries; numbered by the first one's index.
    Segment(u64),
    /// Where the batches of a segment without footer went; numbered as the segment.
    IndexLog(u64),
}

impl FileId {
    pub(crate) fn name(self) -> String {
        match self {
            FileId::Relocation(number) => format!("{number:020}.hot"),
            FileId::Segment(number) => format!("{number:020}.wal"),
            FileId::IndexLog(number) => format!("{number:020}.idx"),
        }
    }

    pub(crate) fn number(self) -> u64 {
        match self {
            FileId::Relocation(number) | FileId::Segment(number) | FileId::IndexLog(number) => number,
        }
    }

    /// The kind byte of the file header.
    pub(crate) fn kind(self) -> u8 {
        match self {
            FileId::Segment(_) => 1,
            FileId::Relocation(_) => 2,
            FileId::IndexLog(_) => 3,
        }
    }

    pub(crate) fn parse(name: &str) -> Option<FileId> {
        let (digits, extension) = name.split_once('.')?;
        if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = digits.parse().ok()?;
        match extension {
            "wal" => Some(FileId::Segment(number)),
            "hot" => Some(FileId::Relocation(number)),
            "idx" => Some(FileId::IndexLog(number)),
            _ => None,
        }
    }
}

/// The extension of unfinished files.
pub(crate) const TEMPORARY: &str = ".tmp";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_sort_by_number() {
        for id in [FileId::Segment(0), FileId::Relocation(7), FileId::IndexLog(u64::MAX)] {
            assert_eq!(FileId::parse(&id.name()), Some(id));
        }
        assert!(FileId::Segment(9).name() < FileId::Segment(10).name());
        for other in ["vote", "1.wal", "0000000000000000000x.wal", "99999999999999999999.wal", "a.tmp"] {
            assert_eq!(FileId::parse(other), None, "{other}");
        }
    }
}
