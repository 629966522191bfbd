//! Levels of features, and placements that are forgotten: rules, and their persisted form.

use tidemill_state::*;

use crate::fixtures::Machine;
use crate::golden::version_1_stays;

fn set(feature: &str, level: i16) -> Command {
    Command::Metadata(MetadataCommand::SetFeatureLevel { feature: feature.into(), level })
}

fn place(group_id: &str, journal: u32) -> Command {
    Command::Metadata(MetadataCommand::PlaceGroup { group_id: group_id.into(), journal })
}

fn forget(placements: &[(&str, u32)]) -> Command {
    let placements = placements.iter().map(|(id, journal)| ((*id).into(), *journal)).collect();
    Command::Metadata(MetadataCommand::ForgetPlacements { placements })
}

fn every_command() -> Vec<Command> {
    vec![
        set("transaction.version", 1),
        set("other.version", 0),
        place("a", 1),
        place("b", 2),
        forget(&[("a", 1), ("b", 1)]),
    ]
}

#[test]
fn the_epoch_grows_with_every_change_of_a_level() {
    let mut machine = Machine::default();
    let features = |machine: &Machine| {
        let metadata = machine.state.metadata();
        (metadata.feature_level("a"), metadata.features_epoch())
    };
    assert_eq!(features(&machine), (None, 0));
    machine.must(set("a", 2));
    machine.must(set("a", 0));
    assert_eq!(features(&machine), (Some(0), 2));
    machine.reject(set("a", -1));
    machine.reject(set("", 1));
    machine.reject(set(&"x".repeat(limits::MAX_FEATURE_NAME_BYTES + 1), 1));
    for number in 1..limits::MAX_FEATURES {
        machine.must(set(&number.to_string(), 1));
    }
    machine.reject(set("one more", 1));
    let imported = State::import(&machine.state.export().unwrap()).unwrap();
    assert_eq!(imported.metadata().features_epoch(), 2 + limits::MAX_FEATURES as u64 - 1);
}

#[test]
fn a_placement_is_forgotten_where_it_is_as_expected() {
    let mut machine = Machine::default();
    let empty = machine.state.export().unwrap();
    machine.must(place("a", 1));
    machine.must(place("b", 2));
    machine.must(forget(&[("a", 2), ("b", 2), ("c", 1)]));
    assert_eq!(machine.state.metadata().group_journal("a"), Some(1));
    assert_eq!(machine.state.metadata().group_journal("b"), None);
    machine.must(forget(&[("a", 1)]));
    assert!(machine.state.export().unwrap() == empty);
}

#[test]
fn their_version_1_is_still_read_and_written() {
    version_1_stays("features", Machine::default(), every_command());
}
