//! Quotas are kept, and found again after a restart.

use tidemill_broker::{ErrorKind, PRODUCER_BYTE_RATE, QuotaEntity, QuotaName};

use crate::node::Node;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_survive_a_restart() {
    let node = Node::start().await;
    let everybody = QuotaEntity { client_id: Some(QuotaName::Default), ..QuotaEntity::default() };
    let set = |value| vec![(PRODUCER_BYTE_RATE.to_owned(), value)];
    node.broker.alter_client_quotas(everybody.clone(), set(Some(7.0)), true).await.unwrap();
    assert!(node.broker.client_quotas().is_empty(), "only validated");
    node.broker.alter_client_quotas(everybody.clone(), set(Some(1024.0)), false).await.unwrap();
    let wrong = node.broker.alter_client_quotas(everybody.clone(), set(Some(-1.0)), false).await;
    assert_eq!(wrong.unwrap_err().kind, ErrorKind::InvalidRequest);
    let node = node.restart().await;
    let (_, limit) = node.broker.client_quotas().of_client("u", "app", PRODUCER_BYTE_RATE).unwrap();
    assert_eq!(limit, 1024.0);
    node.broker.alter_client_quotas(everybody, set(None), false).await.unwrap();
    assert!(node.broker.client_quotas().is_empty());
}
