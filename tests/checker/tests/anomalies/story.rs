//! Histories made by hand: a legal one with something of everything in it, and ways to change it.

use std::collections::BTreeMap;

use tidemill_checker::history::{
    Answer, Call, Delivery, Isolation, Operation, Outcome, Partition, Record, Watermarks,
};
use tidemill_checker::{Anomaly, Index, checks};

/// Operations one behind the other, each with a label.
pub struct Story {
    operations: Vec<Operation>,
    labels: BTreeMap<&'static str, usize>,
}

pub fn orders() -> Partition {
    Partition("orders".into(), 0)
}

pub fn ledger() -> Partition {
    Partition("ledger".into(), 0)
}

pub fn audit() -> Partition {
    Partition("audit".into(), 0)
}

/// A record that always looks the same.
pub fn record(offset: i64, value: u64) -> Record {
    Record { offset, value, digest: value as u32 }
}

pub fn records(partition: Partition, found: &[(i64, u64)]) -> Outcome {
    let found = found.iter().map(|(offset, value)| record(*offset, *value)).collect();
    Outcome::Ok(Answer::Records(vec![(partition, found)]))
}

pub fn acked(offset: i64) -> Outcome {
    Outcome::Ok(Answer::Delivered(Delivery { offset: Some(offset) }))
}

pub fn done() -> Outcome {
    Outcome::Ok(Answer::Done)
}

pub fn unknown() -> Outcome {
    Outcome::Unknown("no answer".into())
}

pub fn failed() -> Outcome {
    Outcome::Failed("refused".into())
}

pub fn positions(partition: Partition, offset: i64) -> Outcome {
    Outcome::Ok(Answer::Positions(vec![(partition, offset)]))
}

pub fn ends(high_watermark: i64, last_stable_offset: i64) -> Outcome {
    Outcome::Ok(Answer::Watermarks(Watermarks { high_watermark, last_stable_offset }))
}

pub fn send(transaction: Option<u64>, partition: Partition, value: u64) -> Call {
    Call::Send { transaction, partition, value, copy_of: None }
}

pub fn copy(transaction: u64, partition: Partition, value: u64, copy_of: u64) -> Call {
    Call::Send { transaction: Some(transaction), partition, value, copy_of: Some(copy_of) }
}

fn init(id: &str) -> Call {
    Call::Init { transactional_id: id.into() }
}

fn assign(partition: Partition) -> Call {
    Call::Assign { positions: vec![(partition, 0)] }
}

fn moved(transaction: u64, offset: i64) -> Call {
    Call::SendOffsets { transaction, group: "copiers".into(), positions: vec![(orders(), offset)] }
}

fn fetch(group: &str) -> Call {
    Call::FetchOffsets { group: group.into() }
}

fn whole(partition: Partition, isolation: Isolation, archived: bool) -> Call {
    Call::ReadAll { partition, isolation, archived }
}

pub const COMMITTED: Isolation = Isolation::Committed;
pub const UNCOMMITTED: Isolation = Isolation::Uncommitted;
/// What is in `ledger` in the end: transaction 1, aborted 2, unanswered but committed 3, copies.
pub const LEDGER: [(i64, u64); 5] = [(0, 10), (2, 20), (4, 30), (6, 60), (7, 61)];
pub const LEDGER_COMMITTED: [(i64, u64); 4] = [(0, 10), (4, 30), (6, 60), (7, 61)];

impl Story {
    /// Adds an operation behind all others.
    pub fn say(&mut self, label: &'static str, process: &str, call: Call, outcome: Outcome) {
        let moment = self.operations.last().and_then(|last| last.completed).map_or(0, |last| last + 1);
        let (invoked, completed) = (moment, Some(moment + 1));
        assert!(self.labels.insert(label, self.operations.len()).is_none(), "{label} twice");
        self.operations.push(Operation { process: process.into(), call, invoked, completed, outcome });
    }

    /// An operation, to be changed.
    pub fn at(&mut self, label: &str) -> &mut Operation {
        &mut self.operations[self.labels[label]]
    }

    /// Takes an operation out.
    pub fn forget(&mut self, label: &str) {
        self.at(label).call = Call::Nemesis("nothing".into());
    }

    /// Exchanges when two operations happened.
    pub fn swap(&mut self, first: &'static str, second: &'static str) {
        let (a, b) = (self.labels[first], self.labels[second]);
        let (at_a, at_b) = (moments(&self.operations[a]), moments(&self.operations[b]));
        (self.operations[a].invoked, self.operations[a].completed) = at_b;
        (self.operations[b].invoked, self.operations[b].completed) = at_a;
        self.operations.swap(a, b);
        self.labels.extend([(first, b), (second, a)]);
    }

    /// What the checks say.
    pub fn anomalies(&self) -> Vec<Anomaly> {
        checks::all(&Index::new(&self.operations))
    }

    /// Asserts that the checks find anomalies of this name and no others.
    pub fn is_an(&self, name: &str) {
        let found = self.anomalies();
        assert!(!found.is_empty(), "{name} was not found");
        assert!(found.iter().all(|anomaly| anomaly.name == name), "{name} expected: {found:#?}");
    }

    /// Asserts that the checks find an anomaly of this name, whatever follows from it.
    pub fn shows_an(&self, name: &str) {
        let found = self.anomalies();
        assert!(found.iter().any(|anomaly| anomaly.name == name), "{name} expected: {found:#?}");
    }

    /// Asserts that the checks find nothing.
    pub fn is_legal(&self) {
        assert_eq!(self.anomalies(), []);
    }

    /// A legal history with something of everything in it.
    pub fn legal() -> Self {
        let mut story = Self { operations: Vec::new(), labels: BTreeMap::new() };
        story.plain_sends();
        story.transactions();
        story.takeover();
        story.copies();
        story.readers();
        story.end(false);
        let verified = Outcome::Ok(Answer::Problems(Vec::new()));
        story.say("verify", "finale", Call::Verify { topic: "ledger".into() }, verified);
        story.end(true);
        story
    }

    fn plain_sends(&mut self) {
        self.say("send 1", "plain", send(None, orders(), 1), acked(0));
        self.say("send 2", "plain", send(None, orders(), 2), acked(1));
        // A retry was recognised, its offset was forgotten.
        let forgotten = Outcome::Ok(Answer::Delivered(Delivery { offset: None }));
        self.say("send 3", "plain", send(None, orders(), 3), forgotten);
        self.say("lost send", "plain", send(None, orders(), 4), unknown());
        self.say("stored send", "plain", send(None, orders(), 5), unknown());
        self.say("refused send", "plain", send(None, orders(), 6), failed());
    }

    fn transactions(&mut self) {
        self.say("init", "writer", init("writer"), done());
        self.say("send 10", "writer", send(Some(1), ledger(), 10), acked(0));
        self.say("send 11", "writer", send(Some(1), audit(), 11), acked(0));
        self.say("early poll", "early", Call::Poll { isolation: COMMITTED }, records(ledger(), &[]));
        self.say("commit 1", "writer", Call::Commit { transaction: 1 }, done());
        self.say("send 20", "writer", send(Some(2), ledger(), 20), acked(2));
        self.say("abort 2", "writer", Call::Abort { transaction: 2 }, done());
        self.say("send 30", "writer", send(Some(3), ledger(), 30), acked(4));
        self.say("send 31", "writer", send(Some(3), audit(), 31), acked(2));
        self.say("commit 3", "writer", Call::Commit { transaction: 3 }, unknown());
    }

    fn takeover(&mut self) {
        self.say("zombie's init", "zombie", init("taken"), done());
        self.say("zombie's send", "zombie", send(Some(4), audit(), 40), acked(4));
        self.say("takeover", "usurper", init("taken"), done());
        self.say("zombie's late send", "zombie", send(Some(4), audit(), 41), failed());
        self.say("zombie's commit", "zombie", Call::Commit { transaction: 4 }, unknown());
        self.say("send 50", "usurper", send(Some(5), audit(), 50), acked(6));
        self.say("commit 5", "usurper", Call::Commit { transaction: 5 }, unknown());
    }

    fn copies(&mut self) {
        self.say("copier's init", "copier", init("copier"), done());
        self.say("copy of 1", "copier", copy(6, ledger(), 60, 1), acked(6));
        self.say("copy of 2", "copier", copy(6, ledger(), 61, 2), acked(7));
        self.say("position", "copier", moved(6, 2), done());
        self.say("commit 6", "copier", Call::Commit { transaction: 6 }, done());
        self.say("copy of 3, aborted", "copier", copy(7, audit(), 70, 3), acked(8));
        self.say("position, aborted", "copier", moved(7, 3), done());
        self.say("abort 7", "copier", Call::Abort { transaction: 7 }, done());
        self.say("copiers' position", "watcher", fetch("copiers"), positions(orders(), 2));
        let commit =
            |offset| Call::CommitOffsets { group: "auditors".into(), positions: vec![(ledger(), offset)] };
        self.say("auditors' commit", "auditor", commit(1), done());
        self.say("auditors' position", "watcher", fetch("auditors"), positions(ledger(), 1));
        self.say("auditors' second commit", "auditor", commit(5), unknown());
        self.say("auditors' second position", "watcher", fetch("auditors"), positions(ledger(), 5));
    }

    fn readers(&mut self) {
        let poll = |isolation| Call::Poll { isolation };
        self.say("ends", "watcher", Call::Watermarks { partition: ledger() }, ends(9, 2));
        self.say("later ends", "watcher", Call::Watermarks { partition: ledger() }, ends(9, 9));
        self.say("assign", "committed", assign(ledger()), done());
        self.say("poll", "committed", poll(COMMITTED), records(ledger(), &LEDGER_COMMITTED[..2]));
        self.say("next poll", "committed", poll(COMMITTED), records(ledger(), &LEDGER_COMMITTED[2..]));
        self.say("assign all", "uncommitted", assign(ledger()), done());
        self.say("poll all", "uncommitted", poll(UNCOMMITTED), records(ledger(), &LEDGER));
        let seek = Call::Seek { partition: ledger(), offset: 4 };
        self.say("seek", "uncommitted", seek, done());
        self.say("poll again", "uncommitted", poll(UNCOMMITTED), records(ledger(), &LEDGER[2..]));
        let given = Call::Assign { positions: vec![(orders(), -1)] };
        self.say("rebalance", "member", given, done());
        self.say("member's poll", "member", poll(COMMITTED), records(orders(), &[(2, 3), (3, 5)]));
    }

    fn end(&mut self, archived: bool) {
        let label = |hot: &'static str, sealed: &'static str| if archived { sealed } else { hot };
        let all_orders = records(orders(), &[(0, 1), (1, 2), (2, 3), (3, 5)]);
        let call = |partition, isolation| whole(partition, isolation, archived);
        self.say(label("orders", "orders*"), "finale", call(orders(), UNCOMMITTED), all_orders.clone());
        self.say(
            label("orders, committed", "orders, committed*"),
            "finale",
            call(orders(), COMMITTED),
            all_orders,
        );
        self.say(
            label("ledger", "ledger*"),
            "finale",
            call(ledger(), UNCOMMITTED),
            records(ledger(), &LEDGER),
        );
        let committed = records(ledger(), &LEDGER_COMMITTED);
        self.say(
            label("ledger, committed", "ledger, committed*"),
            "finale",
            call(ledger(), COMMITTED),
            committed,
        );
        let all = records(audit(), &[(0, 11), (2, 31), (4, 40), (6, 50), (8, 70)]);
        self.say(label("audit", "audit*"), "finale", call(audit(), UNCOMMITTED), all);
        let committed = records(audit(), &[(0, 11), (2, 31)]);
        self.say(
            label("audit, committed", "audit, committed*"),
            "finale",
            call(audit(), COMMITTED),
            committed,
        );
        let name = label("copiers in the end", "copiers in the end*");
        self.say(name, "watcher", fetch("copiers"), positions(orders(), 2));
        let name = label("auditors in the end", "auditors in the end*");
        self.say(name, "watcher", fetch("auditors"), positions(ledger(), 5));
    }
}

fn moments(operation: &Operation) -> (u64, Option<u64>) {
    (operation.invoked, operation.completed)
}
