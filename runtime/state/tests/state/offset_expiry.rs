//! Offsets that a client wants to be kept until some time: rules, and their persisted form.

use tidemill_state::*;

use crate::fixtures::{Machine, partition};
use crate::golden::version_1_stays;

fn offsets(numbers: &[i32], now_ms: i64) -> CommitOffsets {
    let offsets = numbers.iter().map(|number| GroupOffset {
        partition: partition(*number),
        offset: 1,
        leader_epoch: -1,
        metadata: String::new(),
    });
    CommitOffsets { group_id: "g".into(), offsets: offsets.collect(), now_ms }
}

fn until(numbers: &[i32], now_ms: i64, expires_at_ms: i64) -> Command {
    Command::CommitOffsetsUntil { commit: offsets(numbers, now_ms), expires_at_ms }
}

fn every_command() -> Vec<Command> {
    vec![until(&[0, 1], 7, 70), until(&[1], 8, -5), Command::CommitOffsets(offsets(&[2], 9))]
}

fn expiries(state: &State) -> Vec<Option<i64>> {
    let group = state.group("g").unwrap();
    (0..3).map(|number| group.expires_at_ms(&partition(number))).collect()
}

#[test]
fn the_end_of_an_offset_goes_with_it() {
    let mut machine = Machine::default();
    let empty = machine.state.export().unwrap();
    machine.must(until(&[0, 1, 2], 7, 70));
    assert_eq!(expiries(&machine.state), [Some(70); 3]);
    machine.must(until(&[0], 8, 80));
    machine.must(Command::CommitOffsets(offsets(&[1], 8)));
    assert_eq!(expiries(&machine.state), [Some(80), None, Some(70)]);
    let imported = State::import(&machine.state.export().unwrap()).unwrap();
    assert_eq!(expiries(&imported), expiries(&machine.state));
    let expire = ExpireOffsets { group_id: "g".into(), offsets: vec![(partition(0), 8), (partition(2), 6)] };
    machine.must(Command::ExpireOffsets(expire));
    assert_eq!(expiries(&machine.state), [None, None, Some(70)]);
    machine
        .must(Command::DeleteOffsets { group_id: "g".into(), partitions: vec![partition(2), partition(1)] });
    assert!(machine.state.export().unwrap() == empty);
    machine.must(until(&[0], 8, 80));
    machine.must(Command::DeleteGroup { group_id: "g".into() });
    assert!(machine.state.export().unwrap() == empty);
}

#[test]
fn their_version_1_is_still_read_and_written() {
    version_1_stays("offset-expiry", Machine::default(), every_command());
}
