//! Fetch sessions over the wire, by name (up to version 12) and by id (from 13 on).

use crate::client::{fetch_request, name, start, values};
use kafka_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use tidemill_kafka_server::Options;

fn in_session(request: FetchRequest, id: i32, epoch: i32) -> FetchRequest {
    request.with_session_id(id).with_session_epoch(epoch)
}

fn nothing_new() -> FetchRequest {
    FetchRequest::default().with_min_bytes(1)
}

fn sent(response: &FetchResponse) -> Vec<(String, i32, i16)> {
    let partitions = response.responses.iter().flat_map(|topic| {
        topic.partitions.iter().map(|p| (topic.topic.to_string(), p.partition_index, p.error_code))
    });
    partitions.collect()
}

#[tokio::test]
async fn a_session_by_name() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    client.create("u").await;
    for version in [7, 11, 12] {
        let mut both = fetch_request("t", 0, 0);
        both.topics.extend(fetch_request("u", 0, 0).topics);
        let full = client.call(&in_session(both, 0, 0), version).await;
        let id = full.session_id;
        assert!(id > 0 && full.responses.len() == 2);
        let base = client.produce("u", &["x"]).await.responses[0].partition_responses[0].base_offset;
        let next = client.call(&in_session(nothing_new(), id, 1), version).await;
        assert_eq!((next.session_id, next.error_code), (id, 0));
        assert_eq!(sent(&next), [("u".to_owned(), 0, 0)]);
        assert_eq!(values(&next).len() as i64, base + 1);
        let gone = ForgottenTopic::default().with_topic(name("u")).with_partitions(vec![0]);
        let forget = nothing_new().with_forgotten_topics_data(vec![gone]);
        let rest = client.call(&in_session(forget, id, 2), version).await;
        assert_eq!((sent(&rest), rest.session_id), (vec![], id));
        assert_eq!(client.call(&in_session(nothing_new(), id, 2), version).await.error_code, 71);
        assert_eq!(client.call(&in_session(nothing_new(), id + 1, 1), version).await.error_code, 70);
        assert_eq!(client.call(&in_session(fetch_request("t", 0, 0), id, -1), version).await.session_id, 0);
        assert_eq!(client.call(&in_session(nothing_new(), id, 3), version).await.error_code, 70);
    }
}

#[tokio::test]
async fn a_session_by_id() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let topic_id = client.create("t").await.topics[0].topic_id;
    let by_id = |id, offset| {
        let mut request = fetch_request("t", offset, 0);
        let topic = request.topics.remove(0);
        request.with_topics(vec![FetchTopic::default().with_topic_id(id).with_partitions(topic.partitions)])
    };
    for (end, version) in (0..).zip(13..=18) {
        let full = client.call(&in_session(by_id(topic_id, end), 0, 0), version).await;
        let id = full.session_id;
        assert_eq!((id > 0, full.responses[0].topic_id), (true, topic_id));
        let unknown = uuid::Uuid::from_u128(5);
        let added = client.call(&in_session(by_id(unknown, 0), id, 1), version).await;
        let refused = added.responses.iter().find(|topic| topic.topic_id == unknown).unwrap();
        assert_eq!(refused.partitions[0].error_code, 100);
        assert_eq!(client.call(&in_session(nothing_new(), id, 2), 12).await.error_code, 106);
        let gone = ForgottenTopic::default().with_topic_id(unknown).with_partitions(vec![0]);
        let forget = nothing_new().with_forgotten_topics_data(vec![gone]);
        assert_eq!(sent(&client.call(&in_session(forget, id, 2), version).await), []);
        client.produce("t", &["x"]).await;
        let next = client.call(&in_session(nothing_new(), id, 3), version).await;
        assert_eq!((next.responses.len(), next.responses[0].topic_id), (1, topic_id));
    }
}

#[tokio::test]
async fn who_believes_in_an_older_leader_is_told_the_current_one() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let topic_id = client.create("t").await.topics[0].topic_id;
    client.produce("t", &["x"]).await;
    let epoch = running.broker.watermarks(&"t".into(), 0).unwrap().leader_epoch;
    let mut request = fetch_request("t", 0, 0);
    request.topics[0].topic_id = topic_id;
    request.topics[0].topic = name("");
    request.topics[0].partitions[0].current_leader_epoch = epoch - 1;
    let fenced = client.call(&request, 16).await;
    let partition = &fenced.responses[0].partitions[0];
    assert_eq!((partition.error_code, partition.current_leader.leader_epoch), (74, epoch));
    assert_eq!(fenced.node_endpoints[0].node_id, partition.current_leader.leader_id);
    assert_eq!(fenced.node_endpoints[0].port, i32::from(running.server.local_addr().port()));
    request.topics[0].partitions[0].current_leader_epoch = epoch + 1;
    let unknown = client.call(&request, 16).await;
    assert_eq!((unknown.responses[0].partitions[0].error_code, unknown.node_endpoints.len()), (75, 0));
}
