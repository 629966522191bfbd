//! Histories that look odd and are legal.

use tidemill_checker::history::Call;

use crate::story::*;

#[test]
fn an_unanswered_commit_may_have_happened_or_not() {
    // As in the story: transaction 3 was committed, transaction 5 was not. The other way round:
    let mut story = Story::legal();
    for label in ["audit, committed", "audit, committed*"] {
        story.at(label).outcome = records(audit(), &[(0, 11), (2, 31), (6, 50)]);
    }
    story.is_legal();
}

#[test]
fn a_commit_may_never_be_answered() {
    let mut story = Story::legal();
    story.at("commit 3").completed = None;
    story.at("commit 5").completed = None;
    story.is_legal();
}

#[test]
fn an_unanswered_send_may_be_stored_or_not() {
    let mut story = Story::legal();
    for label in ["orders", "orders, committed", "orders*", "orders, committed*"] {
        story.at(label).outcome = records(orders(), &[(0, 1), (1, 2), (2, 3), (3, 5), (4, 4)]);
    }
    story.is_legal();
}

#[test]
fn a_position_may_come_from_an_unanswered_commit() {
    let mut story = Story::legal();
    story.at("commit 6").outcome = unknown();
    story.is_legal();
}

#[test]
fn an_unanswered_takeover_fences_nobody() {
    let mut story = Story::legal();
    story.at("takeover").outcome = unknown();
    story.at("zombie's commit").outcome = done();
    for label in ["audit, committed", "audit, committed*"] {
        story.at(label).outcome = records(audit(), &[(0, 11), (2, 31), (4, 40)]);
    }
    story.is_legal();
}

#[test]
fn a_commit_that_was_asked_for_before_the_takeover_may_succeed() {
    let mut story = Story::legal();
    story.swap("takeover", "zombie's commit");
    story.at("zombie's commit").outcome = done();
    story.forget("zombie's late send");
    for label in ["audit, committed", "audit, committed*"] {
        story.at(label).outcome = records(audit(), &[(0, 11), (2, 31), (4, 40)]);
    }
    story.is_legal();
}

#[test]
fn a_member_may_read_again_after_a_rebalance() {
    let mut story = Story::legal();
    let given = Call::Assign { positions: vec![(orders(), -1)] };
    story.say("second rebalance", "member", given, done());
    let poll = Call::Poll { isolation: COMMITTED };
    story.say("second poll", "member", poll, records(orders(), &[(2, 3)]));
    story.is_legal();
}

#[test]
fn ends_that_were_asked_for_at_the_same_time_may_come_in_any_order() {
    let mut story = Story::legal();
    story.swap("ends", "later ends");
    let asked = story.at("later ends").invoked;
    story.at("ends").invoked = asked;
    story.is_legal();
}
