//! What waits to be proposed, and who goes next: deficit round-robin by bytes.
//!
//! Pure: no clock, no runtime, no lock. Commands wait in *flows*, one per partition (and one for
//! everything that concerns none). [`Queue::take`] visits the flows in turn and lets each one spend
//! a quantum of bytes, so that a partition which is written to at full speed delays another one by
//! a quantum and not by its whole backlog.
//!
//! Two orders are kept: commands of one flow leave in the order in which they came, and so do
//! commands of one submitter (a connection), whichever flows they are in. A command at the head of
//! its flow that has an older sibling of its submitter elsewhere waits for that one. The oldest
//! command of all is the head of its flow and the oldest of its submitter, so there is always one
//! that can go.

use std::collections::{HashMap, VecDeque};

use tidemill_state::{Command, PartitionId};

/// What a flow may spend per round.
const QUANTUM_BYTES: usize = 64 << 10;

/// What shares a place in the rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flow {
    /// Everything that concerns one partition.
    Partition(PartitionId),
    /// Everything else.
    Control,
}

impl Flow {
    /// Where a command belongs.
    pub(crate) fn of(command: &Command) -> Flow {
        match command {
            Command::Append(append) => Flow::Partition(append.partition),
            Command::OpenPartition(open) => Flow::Partition(open.partition),
            Command::ClosePartition(partition) => Flow::Partition(*partition),
            Command::Trim(trim) => Flow::Partition(trim.partition),
            Command::CommitArchive(commit) => Flow::Partition(commit.partition),
            Command::OpenFunction(open) => Flow::Partition(open.instance.input),
            Command::CloseFunction(instance) => Flow::Partition(instance.input),
            Command::FunctionProgress(progress) => Flow::Partition(progress.instance.input),
            Command::AcceptOutbox(accept) => Flow::Partition(accept.stream.target),
            Command::OutboxDelivered(delivered) => Flow::Partition(delivered.stream.instance.input),
            Command::AppendTransactional(command) => Flow::Partition(command.append.partition),
            Command::WriteMarker(marker) => Flow::Partition(marker.append.partition),
            Command::CommitOffsets(_)
            | Command::CommitOffsetsUntil { .. }
            | Command::CommitTransactionalOffsets(_)
            | Command::EndGroupTransaction(_)
            | Command::PutTransaction(_)
            | Command::DeleteTransaction(_)
            | Command::SetProducerExpiry { .. }
            | Command::PutGroup(_)
            | Command::DeleteGroup { .. }
            | Command::DeleteOffsets { .. }
            | Command::ExpireOffsets(_)
            | Command::Metadata(_) => Flow::Control,
        }
    }
}

/// A command that waits, with whoever waits for it.
pub(crate) struct Item<T> {
    /// What is to be done.
    pub(crate) command: Command,
    /// Its size in bytes.
    pub(crate) cost: usize,
    /// Who waits.
    pub(crate) waiter: T,
    flow: Flow,
    submitter: Option<u64>,
    ticket: u64,
}

struct Waiting<T> {
    items: VecDeque<Item<T>>,
    deficit: usize,
}

/// The commands that wait.
pub(crate) struct Queue<T> {
    flows: HashMap<Flow, Waiting<T>>,
    /// The flows that have something to do, in the order of their next turn.
    rotation: VecDeque<Flow>,
    /// Tickets of each submitter's waiting commands, oldest first.
    submitters: HashMap<u64, VecDeque<u64>>,
    next_ticket: u64,
    bytes: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue {
            flows: HashMap::new(),
            rotation: VecDeque::new(),
            submitters: HashMap::new(),
            next_ticket: 0,
            bytes: 0,
        }
    }
}

/// How a flow's turn ended.
enum Turn {
    /// It has nothing left.
    Drained,
    /// It has spent its deficit, or waits for another flow; this many bytes short, if the former.
    Passed { short: Option<usize> },
    /// The entry is full.
    Full,
}

impl<T> Queue<T> {
    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.rotation.is_empty()
    }

    /// Adds a command behind the others of its flow and its submitter.
    pub(crate) fn push(&mut self, command: Command, cost: usize, submitter: Option<u64>, waiter: T) {
        let flow = Flow::of(&command);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.bytes += cost;
        if let Some(id) = submitter {
            self.submitters.entry(id).or_default().push_back(ticket);
        }
        let waiting = self.flows.entry(flow).or_insert_with(|| {
            self.rotation.push_back(flow);
            Waiting { items: VecDeque::new(), deficit: 0 }
        });
        waiting.items.push_back(Item { command, cost, waiter, flow, submitter, ticket });
    }

    /// Takes what goes into the next entry: up to `limit` bytes and `commands` commands, or one
    /// command that is larger.
    pub(crate) fn take(&mut self, limit: usize, commands: usize) -> Vec<Item<T>> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while !self.rotation.is_empty() {
            let before = taken.len();
            let mut shortest = usize::MAX;
            for _ in 0..self.rotation.len() {
                let Some(flow) = self.rotation.pop_front() else {
                    break;
                };
                match self.turn(flow, limit, commands, &mut bytes, &mut taken) {
                    Turn::Drained => {
                        self.flows.remove(&flow);
                    }
                    Turn::Passed { short } => {
                        shortest = shortest.min(short.unwrap_or(usize::MAX));
                        self.rotation.push_back(flow);
                    }
                    Turn::Full => {
                        self.rotation.push_front(flow);
                        return taken;
                    }
                }
            }
            if taken.len() == before {
                self.skip_rounds(shortest);
            }
        }
        taken
    }

    /// Takes everything, in the order in which it came.
    pub(crate) fn drain(&mut self) -> Vec<Item<T>> {
        let mut all: Vec<Item<T>> = self.flows.drain().flat_map(|(_, waiting)| waiting.items).collect();
        all.sort_unstable_by_key(|item| item.ticket);
        self.rotation.clear();
        self.submitters.clear();
        self.bytes = 0;
        all
    }

    fn turn(
        &mut self,
        flow: Flow,
        limit: usize,
        commands: usize,
        bytes: &mut usize,
        taken: &mut Vec<Item<T>>,
    ) -> Turn {
        let Some(waiting) = self.flows.get_mut(&flow) else {
            return Turn::Drained;
        };
        waiting.deficit = waiting.deficit.saturating_add(QUANTUM_BYTES);
        loop {
            let Some(head) = waiting.items.front() else {
                return Turn::Drained;
            };
            let oldest = head.submitter.and_then(|id| self.submitters.get(&id)).and_then(VecDeque::front);
            if oldest.is_some_and(|oldest| *oldest != head.ticket) {
                // Savings made while waiting for another flow would come out as one burst.
                waiting.deficit = waiting.deficit.min(QUANTUM_BYTES.max(head.cost));
                return Turn::Passed { short: None };
            }
            if head.cost > waiting.deficit {
                return Turn::Passed { short: Some(head.cost - waiting.deficit) };
            }
            if !taken.is_empty() && (*bytes + head.cost > limit || taken.len() == commands) {
                // Its next turn comes first in the next entry and brings the quantum again.
                waiting.deficit -= QUANTUM_BYTES.min(waiting.deficit);
                return Turn::Full;
            }
            let Some(item) = waiting.items.pop_front() else {
                return Turn::Drained;
            };
            waiting.deficit -= item.cost;
            *bytes += item.cost;
            self.bytes -= item.cost;
            if let Some(id) = item.submitter
                && let Some(tickets) = self.submitters.get_mut(&id)
            {
                tickets.pop_front();
                if tickets.is_empty() {
                    self.submitters.remove(&id);
                }
            }
            debug_assert!(item.flow == flow, "a command waits in the flow it belongs to");
            taken.push(item);
        }
    }

    /// A whole round let nobody go: gives everyone the rounds that the nearest one still needs.
    fn skip_rounds(&mut self, shortest: usize) {
        if shortest == usize::MAX {
            return;
        }
        let rounds = shortest.div_ceil(QUANTUM_BYTES).saturating_sub(1);
        for waiting in self.flows.values_mut() {
            waiting.deficit = waiting.deficit.saturating_add(rounds * QUANTUM_BYTES);
        }
    }
}

#[cfg(test)]
mod tests;
