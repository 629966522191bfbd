//! Settings of brokers, quotas of clients, offsets that expire: rules, and their persisted form.

use tidemill_state::*;

use crate::fixtures::{Machine, partition};
use crate::golden::version_1_stays;

fn named(name: &str) -> Option<QuotaName> {
    Some(QuotaName::Named(name.into()))
}

fn alter(node_id: Option<i32>, changes: &[(&str, Option<&str>)]) -> Command {
    let changes = changes.iter().map(|(name, value)| ((*name).into(), value.map(Into::into))).collect();
    Command::Metadata(MetadataCommand::AlterBrokerConfigs { node_id, changes })
}

fn quota(entity: QuotaEntity, changes: &[(&str, Option<f64>)]) -> Command {
    let changes = changes.iter().map(|(name, value)| ((*name).into(), *value)).collect();
    Command::Metadata(MetadataCommand::AlterClientQuotas { entity, changes })
}

fn both() -> QuotaEntity {
    QuotaEntity { user: named("müde"), client_id: Some(QuotaName::Default), ip: None }
}

fn commit(number: i32, now_ms: i64) -> Command {
    let offset =
        GroupOffset { partition: partition(number), offset: 1, leader_epoch: -1, metadata: String::new() };
    Command::CommitOffsets(CommitOffsets { group_id: "g".into(), offsets: vec![offset], now_ms })
}

fn expire(offsets: &[(i32, i64)]) -> Command {
    let offsets = offsets.iter().map(|(number, at)| (partition(*number), *at)).collect();
    Command::ExpireOffsets(ExpireOffsets { group_id: "g".into(), offsets })
}

fn every_command() -> Vec<Command> {
    vec![
        alter(None, &[("log.retention.ms", Some("5")), ("num.partitions", Some("3"))]),
        alter(Some(1), &[("log.retention.ms", Some("6")), ("max.connections", None)]),
        quota(both(), &[("producer_byte_rate", Some(1024.0)), ("consumer_byte_rate", None)]),
        quota(QuotaEntity { ip: named("10.0.0.1"), ..QuotaEntity::default() }, &[("rate", Some(0.5))]),
        commit(0, 7),
        commit(1, 8),
        expire(&[(0, 7)]),
    ]
}

#[test]
fn settings_are_kept_by_broker_and_forgotten_when_reset() {
    let mut machine = Machine::default();
    let empty = machine.state.export().unwrap();
    machine.must(alter(None, &[("a", Some("1")), ("b", Some("2"))]));
    machine.must(alter(Some(7), &[("a", Some("3"))]));
    let metadata = machine.state.metadata();
    assert_eq!(metadata.broker_configs(None).unwrap()["b"], "2");
    assert_eq!(metadata.broker_configs(Some(7)).unwrap()["a"], "3");
    assert!(metadata.broker_configs(Some(8)).is_none());
    machine.reject(alter(None, &[("", Some("1"))]));
    machine.must(alter(None, &[("a", None), ("b", None), ("c", None)]));
    machine.must(alter(Some(7), &[("a", None)]));
    assert!(machine.state.export().unwrap() == empty);
}

#[test]
fn quotas_are_kept_by_entity() {
    let mut machine = Machine::default();
    let empty = machine.state.export().unwrap();
    machine.must(quota(both(), &[("rate", Some(2.5))]));
    assert_eq!(machine.state.metadata().client_quotas()[&both()]["rate"], 2.5);
    machine.reject(quota(QuotaEntity::default(), &[("rate", Some(1.0))]));
    for wrong in [f64::NAN, f64::INFINITY, -1.0] {
        machine.reject(quota(both(), &[("rate", Some(wrong))]));
    }
    let long = "x".repeat(limits::MAX_QUOTA_NAME_BYTES + 1);
    machine.reject(quota(QuotaEntity { user: named(&long), ..both() }, &[("rate", Some(1.0))]));
    let imported = State::import(&machine.state.export().unwrap()).unwrap();
    assert_eq!(imported.metadata().client_quotas(), machine.state.metadata().client_quotas());
    machine.must(quota(both(), &[("rate", None)]));
    assert!(machine.state.export().unwrap() == empty);
}

#[test]
fn only_offsets_that_were_not_committed_again_expire() {
    let mut machine = Machine::with_partitions(0);
    machine.reject(expire(&[(0, 7)]));
    machine.must(commit(0, 7));
    machine.must(commit(1, 7));
    machine.must(commit(1, 9));
    machine.must(expire(&[(0, 7), (1, 7), (2, 7)]));
    let left: Vec<_> = machine.state.group_offsets("g").map(|(id, _)| id.partition).collect();
    assert_eq!(left, [1]);
    machine.must(expire(&[(1, 9)]));
    assert!(machine.state.group("g").is_none());
}

#[test]
fn their_version_1_is_still_read_and_written() {
    version_1_stays("settings", Machine::with_partitions(0), every_command());
}
