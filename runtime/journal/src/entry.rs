//! The payload of a log entry, of each of the three kinds there are.
//!
//! ```text
//! u8 = 0xF0   blank: a new leader's first entry; nothing follows
//! u8 = 0xF1   membership: postcard of MembershipRecord follows
//! u8 < 0xF0   commands, in tidemill-state's entry format, whose first byte is its version
//! ```
//! Commands are thus stored exactly as `tidemill_state::encode_entry` gives them, and the extents it
//! reports are positions in the payload.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidemill_state::{Command, Extents, decode_entry, encode_entry};

use crate::Error;

const BLANK: u8 = 0xF0;
const MEMBERSHIP: u8 = 0xF1;

/// Commands together with their encoding.
pub(crate) struct EntryData {
    /// The commands.
    pub(crate) commands: Vec<Command>,
    /// Where their batches lie in the payload.
    pub(crate) extents: Extents,
    parts: Vec<Bytes>,
    len_bytes: usize,
    /// Whether it was given to the log, from where another replica may have it.
    logged: AtomicBool,
}

impl EntryData {
    /// Encodes commands, without copying their batches.
    pub(crate) fn encode(commands: Vec<Command>) -> Result<EntryData, (Vec<Command>, tidemill_state::Error)> {
        match encode_entry(&commands) {
            Ok(encoded) => Ok(EntryData {
                commands,
                extents: encoded.extents,
                parts: encoded.parts,
                len_bytes: encoded.len_bytes,
                logged: AtomicBool::new(false),
            }),
            Err(error) => Err((commands, error)),
        }
    }

    /// The payload, in parts that follow one another.
    pub(crate) fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// Length of the payload.
    pub(crate) fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    fn decode(payload: Bytes) -> Result<EntryData, Error> {
        let len_bytes = payload.len();
        let decoded = decode_entry(payload.clone()).map_err(|e| Error::Corrupt(e.to_string()))?;
        Ok(EntryData {
            commands: decoded.commands,
            extents: decoded.extents,
            parts: vec![payload],
            len_bytes,
            logged: AtomicBool::new(true),
        })
    }

    /// Notes that it goes into the log now.
    pub(crate) fn set_logged(&self) {
        self.logged.store(true, Ordering::Release);
    }

    /// Whether it may be in anybody's log.
    pub(crate) fn is_logged(&self) -> bool {
        self.logged.load(Ordering::Acquire)
    }
}

/// Who holds a journal, as an entry records it: voters (two sets while it changes), and all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembershipRecord {
    /// The sets of voters; each needs a majority.
    pub(crate) voters: Vec<Vec<u64>>,
    /// All nodes, those without a vote among them.
    pub(crate) nodes: Vec<u64>,
}

/// A payload read back.
pub(crate) enum Payload {
    /// Nothing.
    Blank,
    /// Who holds the journal.
    Membership(MembershipRecord),
    /// Commands.
    Commands(EntryData),
}

impl Payload {
    /// The payload of a blank entry.
    pub(crate) fn blank() -> Vec<Bytes> {
        vec![Bytes::from_static(&[BLANK])]
    }

    /// The payload of a membership entry.
    pub(crate) fn membership(record: &MembershipRecord) -> Result<Vec<Bytes>, Error> {
        let encoded = postcard::to_extend(record, vec![MEMBERSHIP])
            .map_err(|e| Error::Invalid(format!("membership cannot be encoded: {e}")))?;
        Ok(vec![Bytes::from(encoded)])
    }

    /// Reads a payload.
    pub(crate) fn decode(payload: Bytes) -> Result<Payload, Error> {
        match payload.split_first() {
            None => Err(Error::Corrupt("log entry without content".into())),
            Some((&BLANK, [])) => Ok(Payload::Blank),
            Some((&BLANK, _)) => Err(Error::Corrupt("blank log entry with content".into())),
            Some((&MEMBERSHIP, record)) => postcard::from_bytes(record)
                .map(Payload::Membership)
                .map_err(|e| Error::Corrupt(format!("membership entry: {e}"))),
            Some(_) => EntryData::decode(payload).map(Payload::Commands),
        }
    }

    /// Whether a payload holds commands, by its first byte alone.
    pub(crate) fn is_commands(payload: &[u8]) -> bool {
        payload.first().is_some_and(|kind| *kind < BLANK)
    }
}
