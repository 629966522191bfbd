//! Levels of features, and the quorum, over the wire.

use crate::client::{Client, name, start, start_in, text};
use kafka_protocol::messages::*;
use tidemill_kafka_server::Options;

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;

async fn update(client: &mut Client, feature: &str, level: i16, kind: i8, validate_only: bool) -> i16 {
    let update = update_features_request::FeatureUpdateKey::default()
        .with_feature(text(feature))
        .with_max_version_level(level)
        .with_upgrade_type(kind);
    let request =
        UpdateFeaturesRequest::default().with_feature_updates(vec![update]).with_validate_only(validate_only);
    let response = client.call(&request, 1).await;
    assert_eq!(response.results.len(), usize::from(response.error_code == 0));
    response.error_code
}

/// The level that clients are told, and the epoch of it.
async fn told(client: &mut Client) -> (Option<i16>, i64) {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    let response = client.call(&request, 4).await;
    assert_eq!(response.supported_features[0].max_version, 2);
    let level = response.finalized_features.first().map(|feature| feature.max_version_level);
    (level, response.finalized_features_epoch)
}

#[tokio::test]
async fn the_level_of_a_feature_is_told_to_clients_and_kept() {
    const FEATURE: &str = "transaction.version";
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    assert_eq!(told(&mut client).await, (Some(2), 0));
    assert_eq!(update(&mut client, FEATURE, 1, SAFE_DOWNGRADE, true).await, 0);
    assert_eq!(told(&mut client).await, (Some(2), 0), "it was only asked whether it could be");
    assert_eq!(update(&mut client, FEATURE, 1, UPGRADE, false).await, 95);
    assert_eq!(update(&mut client, FEATURE, 1, SAFE_DOWNGRADE, false).await, 0);
    assert_eq!(told(&mut client).await, (Some(1), 1));
    for (feature, level, kind, code) in [
        (FEATURE, 2, SAFE_DOWNGRADE, 95),
        (FEATURE, 3, UPGRADE, 95),
        (FEATURE, -1, SAFE_DOWNGRADE, 95),
        (FEATURE, 2, 9, 42),
        ("metadata.version", 1, UPGRADE, 95),
    ] {
        assert_eq!(update(&mut client, feature, level, kind, false).await, code, "{feature} {level}");
    }
    assert_eq!(client.call(&UpdateFeaturesRequest::default(), 2).await.error_code, 42, "nothing is asked");
    assert_eq!(update(&mut client, FEATURE, 0, SAFE_DOWNGRADE, false).await, 0);
    let running = start_in(running.stop().await, Options::default()).await;
    let mut client = running.connect().await;
    assert_eq!(told(&mut client).await, (None, 2), "level 0 is off");
    assert_eq!(update(&mut client, FEATURE, 2, UPGRADE, false).await, 0);
    assert_eq!(told(&mut client).await, (Some(2), 3));
}

#[tokio::test]
async fn the_quorum_is_this_broker() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let topic = |topic: &str| {
        let partition = describe_quorum_request::PartitionData::default();
        let topic = describe_quorum_request::TopicData::default().with_topic_name(name(topic));
        topic.with_partitions(vec![partition])
    };
    let request =
        DescribeQuorumRequest::default().with_topics(vec![topic("__cluster_metadata"), topic("other")]);
    let response = client.call(&request, 2).await;
    let port = running.server.local_addr().port();
    assert_eq!((response.nodes[0].node_id, response.nodes[0].listeners[0].port), (BrokerId(1), port));
    let quorum = &response.topics[0].partitions[0];
    assert_eq!((quorum.error_code, quorum.leader_id), (0, BrokerId(1)));
    let voter = &quorum.current_voters[0];
    assert!(quorum.leader_epoch > 0 && quorum.high_watermark > 0 && voter.last_caught_up_timestamp > 0);
    assert_eq!((voter.replica_id, voter.log_end_offset), (BrokerId(1), quorum.high_watermark));
    assert_eq!(response.topics[1].partitions[0].error_code, 3);
    let before = quorum.high_watermark;
    client.create("t").await;
    for _ in 0..100 {
        let after = client.call(&request, 0).await;
        if after.topics[0].partitions[0].high_watermark > before {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it has not come any further");
}
