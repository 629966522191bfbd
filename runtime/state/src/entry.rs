//! The payload of one log entry: a list of commands.
//!
//! ```text
//! u8      format version (1)
//! u32 LE  length of meta
//! meta    varint number of commands, then for each
//!           the command (postcard; batches left out)
//!           for each of its appends: varint number of batches, varint length of each
//! batches all batches of all commands, in order, as they came from the socket
//! ```
//! Batches are neither copied when an entry is written nor when it is read; where each lies in the
//! payload is in [`Extents`], so that the hot store's index can point into the log. Integrity is
//! the log frame's business (CRC); this codec only never trusts a length. `docs/formats/journal-entry.md`.

use std::ops::Range;

use bytes::{Buf, Bytes};

use crate::limits::{MAX_COMMANDS, MAX_ENTRY_BYTES, MAX_ENTRY_ELEMENTS, MAX_LIST_ELEMENTS};
use crate::{Append, Command, Error, MetadataCommand};

const VERSION: u8 = 1;
const PREFIX_BYTES: usize = 5;
const WHAT: &str = "journal entry";

/// An entry ready to be written: the parts follow one another without gaps.
#[derive(Clone, Debug)]
pub struct EncodedEntry {
    /// Meta, then each batch as it was given.
    pub parts: Vec<Bytes>,
    /// Where each batch lies in the payload.
    pub extents: Extents,
    /// Length of all parts together.
    pub len_bytes: usize,
}

/// An entry read back.
#[derive(Clone, Debug)]
pub struct DecodedEntry {
    /// The commands; their batches are slices of the payload.
    pub commands: Vec<Command>,
    /// Where each batch lies in the payload.
    pub extents: Extents,
}

/// Where the batches of an entry lie in its payload, by command, append and batch ordinal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    ranges: Vec<Range<u32>>,
    /// Index into `ranges` of the first batch of each append.
    appends: Vec<u32>,
    /// Index into `appends` of the first append of each command.
    commands: Vec<u32>,
}

impl Extents {
    /// Where batch `batch` of append `append` of command `command` lies in the payload.
    pub fn get(&self, command: usize, append: u32, batch: u32) -> Option<Range<u32>> {
        let appends_end = self.commands.get(command + 1).map_or(self.appends.len(), |end| *end as usize);
        let append = (*self.commands.get(command)? as usize).checked_add(append as usize)?;
        if append >= appends_end {
            return None;
        }
        let ranges_end = self.appends.get(append + 1).map_or(self.ranges.len(), |end| *end as usize);
        let range = (*self.appends.get(append)? as usize).checked_add(batch as usize)?;
        if range >= ranges_end {
            return None;
        }
        self.ranges.get(range).cloned()
    }

    fn begin_command(&mut self) {
        self.commands.push(self.appends.len() as u32);
    }

    fn begin_append(&mut self) {
        self.appends.push(self.ranges.len() as u32);
    }
}

/// Encodes commands as one entry, without copying their batches.
pub fn encode_entry(commands: &[Command]) -> Result<EncodedEntry, Error> {
    limit("commands of an entry", commands.len(), MAX_COMMANDS)?;
    let mut entry_elements = 0usize;
    for elements in commands.iter().map(elements) {
        limit("elements of a command", elements, MAX_LIST_ELEMENTS)?;
        entry_elements = entry_elements.saturating_add(elements);
    }
    limit("elements of an entry", entry_elements, MAX_ENTRY_ELEMENTS)?;
    let mut meta = vec![VERSION, 0, 0, 0, 0];
    put(&mut meta, &(commands.len() as u32))?;
    let mut total = 0usize;
    for command in commands {
        put(&mut meta, command)?;
        for append in appends(command) {
            put(&mut meta, &(append.batches.len() as u32))?;
            for batch in &append.batches {
                limit("batch", batch.len(), MAX_ENTRY_BYTES)?;
                put(&mut meta, &(batch.len() as u32))?;
                total = total.saturating_add(batch.len());
            }
        }
        limit("entry", meta.len().saturating_add(total), MAX_ENTRY_BYTES)?;
    }
    let meta_bytes = (meta.len() - PREFIX_BYTES) as u32;
    if let Some(slot) = meta.get_mut(1..PREFIX_BYTES) {
        slot.copy_from_slice(&meta_bytes.to_le_bytes());
    }
    Ok(assemble(Bytes::from(meta), commands, total))
}

fn assemble(meta: Bytes, commands: &[Command], batch_bytes: usize) -> EncodedEntry {
    let len_bytes = meta.len() + batch_bytes;
    let mut position = meta.len() as u32;
    let mut parts = vec![meta];
    let mut extents = Extents::default();
    for command in commands {
        extents.begin_command();
        for append in appends(command) {
            extents.begin_append();
            for batch in &append.batches {
                let end = position + batch.len() as u32;
                extents.ranges.push(position..end);
                position = end;
                parts.push(batch.clone());
            }
        }
    }
    EncodedEntry { parts, extents, len_bytes }
}

/// Reads an entry. Batches are slices of `payload`, which stays alive as long as one of them.
pub fn decode_entry(payload: Bytes) -> Result<DecodedEntry, Error> {
    limit("entry", payload.len(), MAX_ENTRY_BYTES)?;
    let mut head = payload.clone();
    if head.len() < PREFIX_BYTES {
        return Err(Error::corrupt(WHAT, "shorter than its prefix"));
    }
    let version = head.get_u8();
    if version != VERSION {
        return Err(Error::UnknownVersion { what: WHAT, version });
    }
    let meta_bytes = head.get_u32_le() as usize;
    let Some(meta) = head.get(..meta_bytes) else {
        return Err(Error::corrupt(WHAT, format!("meta of {meta_bytes} bytes does not fit")));
    };
    let mut reader = Reader { meta, payload: &payload, position: PREFIX_BYTES + meta_bytes, elements: 0 };
    let count: u32 = reader.take()?;
    limit("commands of an entry", count as usize, MAX_COMMANDS)?;
    let mut entry = DecodedEntry { commands: Vec::new(), extents: Extents::default() };
    for _ in 0..count {
        let mut command: Command = reader.take()?;
        reader.count(elements(&command))?;
        entry.extents.begin_command();
        for append in appends_mut(&mut command) {
            reader.read_batches(append, &mut entry.extents)?;
        }
        entry.commands.push(command);
    }
    if !reader.meta.is_empty() || reader.position != payload.len() {
        return Err(Error::corrupt(WHAT, "bytes left over"));
    }
    Ok(entry)
}

/// Reads meta from the front, and batches behind it.
struct Reader<'a> {
    meta: &'a [u8],
    payload: &'a Bytes,
    position: usize,
    elements: usize,
}

impl<'a> Reader<'a> {
    fn take<T: serde::Deserialize<'a>>(&mut self) -> Result<T, Error> {
        let (value, rest) = postcard::take_from_bytes(self.meta).map_err(|e| {
            Error::corrupt(WHAT, format!("meta, {} bytes before its end: {e}", self.meta.len()))
        })?;
        self.meta = rest;
        Ok(value)
    }

    fn count(&mut self, elements: usize) -> Result<(), Error> {
        self.elements = self.elements.saturating_add(elements);
        limit("elements of an entry", self.elements, MAX_ENTRY_ELEMENTS)
    }

    fn read_batches(&mut self, append: &mut Append, extents: &mut Extents) -> Result<(), Error> {
        extents.begin_append();
        let count: u32 = self.take()?;
        self.count(count as usize)?;
        for _ in 0..count {
            let len: u32 = self.take()?;
            let end = self.position.saturating_add(len as usize);
            if end > self.payload.len() {
                return Err(Error::corrupt(WHAT, format!("batch of {len} bytes does not fit")));
            }
            append.batches.push(self.payload.slice(self.position..end));
            extents.ranges.push(self.position as u32..end as u32);
            self.position = end;
        }
        Ok(())
    }
}

impl Command {
    /// About how many bytes this command adds to an entry, for those who gather commands.
    pub fn size_hint_bytes(&self) -> usize {
        let batches: usize = appends(self).iter().flat_map(|a| &a.batches).map(|b| b.len() + 4).sum();
        let rest = match self {
            Self::FunctionProgress(progress) => {
                let outbox: usize = progress.outbox.iter().map(|message| message.batch.0.len() + 32).sum();
                let changes = progress.state_changes.iter();
                outbox + changes.map(|(k, v)| k.len() + v.as_ref().map_or(0, Vec::len) + 8).sum::<usize>()
            }
            Self::CommitOffsets(commit) | Self::CommitOffsetsUntil { commit, .. } => {
                commit.offsets.iter().map(|o| o.metadata.len() + 40).sum()
            }
            Self::PutGroup(put) => put.snapshot.len(),
            Self::CommitTransactionalOffsets(commit) => {
                commit.offsets.iter().map(|o| o.metadata.len() + 40).sum()
            }
            Self::PutTransaction(put) => {
                let groups: usize = put.transaction.groups.iter().map(|id| id.len() + 4).sum();
                put.transactional_id.len() + put.transaction.partitions.len() * 24 + groups
            }
            Self::DeleteOffsets { partitions, .. } => partitions.len() * 24,
            _ => 0,
        };
        batches + rest + 64 + elements(self).saturating_mul(2)
    }
}

fn appends(command: &Command) -> &[Append] {
    match command {
        Command::Append(append) => std::slice::from_ref(append),
        Command::FunctionProgress(progress) => &progress.outputs,
        Command::AcceptOutbox(accept) => std::slice::from_ref(&accept.append),
        Command::AppendTransactional(command) => std::slice::from_ref(&command.append),
        Command::WriteMarker(command) => std::slice::from_ref(&command.append),
        _ => &[],
    }
}

fn appends_mut(command: &mut Command) -> &mut [Append] {
    match command {
        Command::Append(append) => std::slice::from_mut(append),
        Command::FunctionProgress(progress) => &mut progress.outputs,
        Command::AcceptOutbox(accept) => std::slice::from_mut(&mut accept.append),
        Command::AppendTransactional(command) => std::slice::from_mut(&mut command.append),
        Command::WriteMarker(command) => std::slice::from_mut(&mut command.append),
        _ => &mut [],
    }
}

/// List elements of a command, which its encoded size may understate fifty times.
fn elements(command: &Command) -> usize {
    let batches: usize = appends(command).iter().map(|append| append.batches.len()).sum();
    let lists = match command {
        Command::CommitArchive(commit) => commit.object.leader_epochs.len(),
        Command::CommitOffsets(commit) | Command::CommitOffsetsUntil { commit, .. } => commit.offsets.len(),
        Command::DeleteOffsets { partitions, .. } => partitions.len(),
        Command::ExpireOffsets(expire) => expire.offsets.len(),
        Command::CommitTransactionalOffsets(commit) => commit.offsets.len(),
        Command::PutTransaction(put) => put.transaction.partitions.len() + put.transaction.groups.len(),
        Command::FunctionProgress(p) => p.outputs.len() + p.outbox.len() + p.state_changes.len(),
        Command::Metadata(MetadataCommand::CreateTopic(topic)) => topic.journals.len() + topic.configs.len(),
        Command::Metadata(MetadataCommand::AddPartitions { journals, .. }) => journals.len(),
        Command::Metadata(
            MetadataCommand::AlterTopicConfigs { changes, .. }
            | MetadataCommand::AlterBrokerConfigs { changes, .. }
            | MetadataCommand::AlterClientMetrics { changes, .. },
        ) => changes.len(),
        Command::Metadata(MetadataCommand::AlterClientQuotas { changes, .. }) => changes.len(),
        Command::Metadata(MetadataCommand::ForgetPlacements { placements }) => placements.len(),
        Command::Metadata(MetadataCommand::DeployFunction(function)) => {
            function.inputs.len() + function.outputs.len() + function.config.len() + function.allow_http.len()
        }
        _ => 0,
    };
    batches + lists
}

fn put<T: serde::Serialize>(out: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    *out = postcard::to_extend(value, std::mem::take(out))
        .map_err(|e| Error::corrupt(WHAT, format!("cannot be encoded: {e}")))?;
    Ok(())
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), Error> {
    if size > limit { Err(Error::TooLarge { what, size, limit }) } else { Ok(()) }
}
