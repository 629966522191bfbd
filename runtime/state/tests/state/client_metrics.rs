//! Subscriptions to metrics of clients: rules, and their persisted form.

use tidemill_state::*;

use crate::fixtures::Machine;
use crate::golden::version_1_stays;

fn alter(name: &str, changes: &[(&str, Option<&str>)]) -> Command {
    let changes = changes.iter().map(|(name, value)| ((*name).into(), value.map(Into::into))).collect();
    Command::Metadata(MetadataCommand::AlterClientMetrics { name: name.into(), changes })
}

fn every_command() -> Vec<Command> {
    vec![
        alter("producers", &[("metrics", Some("org.apache.kafka.producer.")), ("interval.ms", Some("1000"))]),
        alter("all", &[("metrics", Some("*")), ("match", Some("client_id=a.*")), ("interval.ms", None)]),
        alter("gone", &[("metrics", Some("*"))]),
        alter("gone", &[("metrics", None)]),
    ]
}

#[test]
fn subscriptions_are_kept_by_name_and_forgotten_when_nothing_is_left() {
    let mut machine = Machine::default();
    let empty = machine.state.export().unwrap();
    machine.must(alter("a", &[("metrics", Some("*")), ("interval.ms", Some("1000"))]));
    machine.must(alter("a", &[("metrics", Some("x")), ("interval.ms", None)]));
    let kept = &machine.state.metadata().client_metrics()["a"];
    assert_eq!(kept.iter().collect::<Vec<_>>(), [(&"metrics".to_owned(), &"x".to_owned())]);
    machine.must(alter("a", &[("metrics", None)]));
    assert!(machine.state.export().unwrap() == empty);
}

#[test]
fn there_is_a_bound_on_subscriptions_and_names() {
    let mut machine = Machine::default();
    machine.reject(alter("", &[("metrics", Some("*"))]));
    machine.reject(alter(&"x".repeat(limits::MAX_STRING_BYTES + 1), &[("metrics", Some("*"))]));
    machine.reject(alter("a", &[("", Some("*"))]));
    for number in 0..limits::MAX_CLIENT_METRICS {
        machine.must(alter(&number.to_string(), &[("metrics", Some("*"))]));
    }
    machine.reject(alter("one more", &[("metrics", Some("*"))]));
    machine.must(alter("7", &[("metrics", Some("x"))]));
    machine.must(alter("7", &[("metrics", None)]));
    machine.must(alter("one more", &[("metrics", Some("*"))]));
}

#[test]
fn their_version_1_is_still_read_and_written() {
    version_1_stays("client-metrics", Machine::default(), every_command());
}
