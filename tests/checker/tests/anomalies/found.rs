//! Each anomaly is found in a history that is legal but for one change, and nothing else is found.

use crate::story::*;
use tidemill_checker::history::{Answer, Call, Delivery, Outcome, Record};

/// A legal history with a change.
fn changed(change: impl FnOnce(&mut Story)) -> Story {
    let mut story = Story::legal();
    change(&mut story);
    story
}

/// Both readings of a partition in the end, so that they still agree with one another.
fn in_the_end(story: &mut Story, label: &str, outcome: &Outcome) {
    story.at(label).outcome = outcome.clone();
    story.at(&format!("{label}*")).outcome = outcome.clone();
}

#[test]
fn the_story_is_legal() {
    Story::legal().is_legal();
}

#[test]
fn an_acknowledged_write_is_lost() {
    let story = changed(|story| {
        let without = records(orders(), &[(0, 1), (2, 3), (3, 5)]);
        // A poll-skip, too, would be found if anybody knew where it had been.
        story.at("send 2").outcome = Outcome::Ok(Answer::Delivered(Delivery { offset: None }));
        in_the_end(story, "orders", &without);
        in_the_end(story, "orders, committed", &without);
    });
    story.is_an("lost-write");
}

#[test]
fn a_record_that_was_read_vanishes() {
    let story = changed(|story| {
        let without = records(orders(), &[(0, 1), (1, 2), (2, 3)]);
        in_the_end(story, "orders", &without);
        in_the_end(story, "orders, committed", &without);
    });
    story.is_an("lost-write");
}

#[test]
fn a_committed_transaction_is_lost() {
    let story = changed(|story| {
        story.at("commit 5").outcome = done();
    });
    story.is_an("lost-write");
}

#[test]
fn two_values_are_at_one_offset() {
    let story = changed(|story| {
        story.at("poll all").outcome = records(ledger(), &[(0, 10), (2, 20), (4, 30), (6, 60)]);
        story.at("poll again").outcome = records(ledger(), &[(4, 30), (6, 60), (7, 60)]);
    });
    story.shows_an("inconsistent-offsets");
}

#[test]
fn a_record_is_not_the_same_for_everybody() {
    let story = changed(|story| {
        let other = Record { digest: 7, ..record(0, 10) };
        let found = Answer::Records(vec![(ledger(), vec![other])]);
        story.at("early poll").outcome = Outcome::Ok(found);
        story.swap("early poll", "ends");
    });
    story.is_an("inconsistent-offsets");
}

#[test]
fn a_record_is_not_where_it_was_acknowledged() {
    changed(|story| story.at("send 31").outcome = acked(12)).is_an("inconsistent-offsets");
}

#[test]
fn a_record_is_there_twice() {
    let story = changed(|story| {
        let twice = records(orders(), &[(0, 1), (1, 2), (2, 3), (3, 5), (4, 5)]);
        in_the_end(story, "orders", &twice);
        in_the_end(story, "orders, committed", &twice);
    });
    story.is_an("duplicate");
}

#[test]
fn a_copy_is_made_twice() {
    // The record that the second copy was of has none now, which is found, too.
    changed(|story| story.at("copy of 2").call = copy(6, ledger(), 61, 1)).shows_an("duplicate");
    let story = changed(|story| {
        story.at("send 31").call = copy(3, audit(), 31, 1);
    });
    story.is_an("duplicate");
}

#[test]
fn a_record_is_read_that_nobody_stored() {
    let strange = |value| {
        changed(|story| {
            let more = records(orders(), &[(0, 1), (1, 2), (2, 3), (3, 5), (4, value)]);
            in_the_end(story, "orders", &more);
            in_the_end(story, "orders, committed", &more);
        })
    };
    strange(999).is_an("phantom-record");
    // A refused send.
    strange(6).is_an("phantom-record");
}

#[test]
fn a_record_is_read_in_another_partition_or_before_it_was_sent() {
    changed(|story| story.at("stored send").call = send(None, audit(), 5)).shows_an("phantom-record");
    let story = changed(|story| story.swap("stored send", "member's poll"));
    story.shows_an("phantom-record");
}

#[test]
fn a_poll_leaves_a_record_out() {
    changed(|story| story.at("next poll").outcome = records(ledger(), &[(7, 61)])).is_an("poll-skip");
    changed(|story| story.at("poll").outcome = records(ledger(), &[(4, 30)])).is_an("poll-skip");
    changed(|story| story.at("poll again").outcome = records(ledger(), &[(6, 60)])).is_an("poll-skip");
    // An aborted record, for a reader who is to see those.
    let without = [(0, 10), (4, 30), (6, 60), (7, 61)];
    changed(|story| story.at("poll all").outcome = records(ledger(), &without)).is_an("poll-skip");
}

#[test]
fn a_poll_goes_back() {
    changed(|story| story.at("next poll").outcome = records(ledger(), &[(4, 30), (6, 60)]))
        .is_an("nonmonotonic-poll");
    changed(|story| story.forget("seek")).is_an("nonmonotonic-poll");
}

#[test]
fn a_position_is_not_in_the_log_any_more() {
    changed(|story| story.at("poll again").outcome = failed()).is_an("lost-position");
}

#[test]
fn sends_are_stored_in_another_order() {
    let story = changed(|story| {
        (story.at("send 1").outcome, story.at("send 2").outcome) = (acked(1), acked(0));
        let exchanged = records(orders(), &[(0, 2), (1, 1), (2, 3), (3, 5)]);
        in_the_end(story, "orders", &exchanged);
        in_the_end(story, "orders, committed", &exchanged);
    });
    story.is_an("nonmonotonic-send");
}

#[test]
fn an_aborted_record_is_read() {
    let seen = [(0, 10), (2, 20), (4, 30)];
    changed(|story| story.at("poll").outcome = records(ledger(), &seen)).shows_an("aborted-read");
    let story = changed(|story| {
        in_the_end(story, "ledger, committed", &records(ledger(), &LEDGER));
    });
    story.is_an("aborted-read");
    // A transaction that timed out: nobody asked to commit it.
    let story = changed(|story| {
        story.forget("abort 2");
        in_the_end(story, "ledger, committed", &records(ledger(), &LEDGER));
    });
    story.is_an("aborted-read");
}

#[test]
fn a_zombies_record_is_read() {
    let story = changed(|story| {
        in_the_end(story, "audit, committed", &records(audit(), &[(0, 11), (2, 31), (4, 40)]));
    });
    story.is_an("aborted-read");
}

#[test]
fn a_record_is_read_before_anybody_asked_to_commit_it() {
    changed(|story| story.at("early poll").outcome = records(ledger(), &[(0, 10)])).is_an("uncommitted-read");
}

#[test]
fn half_a_transaction_is_there() {
    let story = changed(|story| {
        in_the_end(story, "audit, committed", &records(audit(), &[(0, 11)]));
    });
    story.is_an("torn-transaction");
}

#[test]
fn a_transactions_records_are_there_and_its_position_is_not() {
    let story = changed(|story| {
        story.at("commit 6").outcome = unknown();
        story.at("position").call = match story.at("position, aborted").call.clone() {
            Call::SendOffsets { group, positions, .. } => {
                Call::SendOffsets { transaction: 6, group, positions }
            }
            other => other,
        };
        for label in ["copiers' position", "copiers in the end", "copiers in the end*"] {
            story.at(label).outcome = Outcome::Ok(Answer::Positions(vec![(orders(), 0)]));
        }
        let begin = Call::CommitOffsets { group: "copiers".into(), positions: vec![(orders(), 0)] };
        story.at("ends").call = begin;
        story.at("ends").outcome = done();
        story.swap("ends", "copier's init");
    });
    story.is_an("torn-transaction");
}

#[test]
fn a_transactions_position_is_there_and_its_records_are_not() {
    let story = changed(|story| {
        story.at("commit 6").outcome = unknown();
        let without = &LEDGER_COMMITTED[..2];
        story.at("next poll").outcome = records(ledger(), &[]);
        in_the_end(story, "ledger, committed", &records(ledger(), without));
    });
    story.is_an("torn-transaction");
}

#[test]
fn a_group_has_passed_a_record_that_was_not_copied() {
    let story = changed(|story| {
        story.at("position").call =
            Call::SendOffsets { transaction: 6, group: "copiers".into(), positions: vec![(orders(), 3)] };
        for label in ["copiers' position", "copiers in the end", "copiers in the end*"] {
            story.at(label).outcome = positions(orders(), 3);
        }
    });
    story.is_an("torn-transaction");
}

#[test]
fn a_committed_position_goes_back() {
    let story = changed(|story| story.swap("auditors' position", "auditors' second position"));
    story.shows_an("committed-offset-regression");
    let story = changed(|story| {
        for label in ["auditors in the end", "auditors in the end*"] {
            story.at(label).outcome = positions(ledger(), 1);
        }
    });
    story.is_an("committed-offset-regression");
    let story = changed(|story| {
        // The broker knows of none any more.
        story.at("auditors' second position").outcome = positions(ledger(), -1);
    });
    story.shows_an("committed-offset-regression");
}

#[test]
fn a_position_was_never_committed() {
    changed(|story| story.at("auditors' position").outcome = positions(ledger(), 2)).is_an("aborted-offset");
    // Only an aborted transaction wanted it. That its records have no copies is found, too.
    let story = changed(|story| story.at("copiers in the end*").outcome = positions(orders(), 3));
    story.shows_an("aborted-offset");
}

#[test]
fn the_last_stable_offset_is_above_the_high_watermark() {
    changed(|story| story.at("later ends").outcome = ends(9, 10)).is_an("lso-above-hw");
}

#[test]
fn the_high_watermark_goes_back() {
    changed(|story| story.at("later ends").outcome = ends(8, 8)).is_an("hw-regression");
    // Below an acknowledged record.
    changed(|story| {
        story.at("ends").outcome = ends(7, 2);
        story.at("later ends").outcome = ends(9, 9);
    })
    .is_an("hw-regression");
}

#[test]
fn the_last_stable_offset_goes_back() {
    changed(|story| story.swap("ends", "later ends")).is_an("lso-regression");
    // Below a record that a committed reader saw.
    changed(|story| story.swap("ends", "poll again")).is_an("lso-regression");
}

#[test]
fn a_zombie_is_served() {
    let story = changed(|story| {
        story.at("zombie's commit").outcome = done();
        in_the_end(story, "audit, committed", &records(audit(), &[(0, 11), (2, 31), (4, 40)]));
    });
    story.is_an("zombie-committed");
    let story = changed(|story| {
        story.at("zombie's late send").outcome = acked(5);
        let all = [(0, 11), (2, 31), (4, 40), (5, 41), (6, 50), (8, 70)];
        in_the_end(story, "audit", &records(audit(), &all));
    });
    story.is_an("zombie-write");
}

#[test]
fn the_archive_reads_differently() {
    let story = changed(|story| {
        let found = [record(0, 1), record(1, 2), record(2, 3)];
        let stored = Call::Send { transaction: None, partition: orders(), value: 5, copy_of: None };
        assert_eq!(story.at("stored send").call, stored);
        // Nobody saw the last record before the archive was read.
        for label in ["orders", "orders, committed"] {
            story.at(label).outcome = Outcome::Ok(Answer::Records(vec![(orders(), found.to_vec())]));
        }
        story.at("member's poll").outcome = records(orders(), &[(2, 3)]);
    });
    story.is_an("archive-differs");
    let story = changed(|story| {
        story.at("verify").outcome = Outcome::Ok(Answer::Problems(vec!["an object is short".into()]));
    });
    story.is_an("archive-differs");
}
