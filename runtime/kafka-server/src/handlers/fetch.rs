//! Fetch. The response is encoded here and not by the message crate, because that would copy every
//! record batch into one buffer.

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};
use tidemill_broker::{
    FetchPartition, FetchRequest as BrokerFetch, Isolation, SessionFetch, SessionFetched, TopicRef,
};

use crate::codes;
use crate::encode::{FetchResponse, Leader};
use crate::response::Response;
use crate::service::Call;
use crate::throttle::Bandwidth;

/// Since this version topics are named by id.
const BY_TOPIC_ID: i16 = 13;

/// None if the client went away while the fetch waited.
pub(crate) async fn handle(call: &Call<'_>, request: FetchRequest) -> Option<Response> {
    debug_assert!(call.version() >= 4, "older versions are refused before");
    let leader = Leader { node_id: call.node_id(), host: &call.service.host, port: call.service.port };
    // A session has to be gone on with, or what it notes as sent would not have been.
    let over_ms = call.throttle_bytes(Bandwidth::Fetch, 0);
    if over_ms > 0 && request.session_epoch <= 0 {
        let withheld = FetchResponse { throttle_ms: over_ms, ..FetchResponse::default() };
        return Some(withheld.encode(call.head, &leader));
    }
    let fetch = translate(call, request);
    let fetched = tokio::select! {
        biased;
        fetched = Box::pin(call.broker().fetch_in_session(fetch)) => fetched,
        () = call.gone.cancelled() => return None,
    };
    let (error_code, SessionFetched { session_id, partitions }) = match fetched {
        Ok(fetched) => (codes::NONE, fetched),
        Err(error) => (error.kind.kafka_code(), SessionFetched { session_id: 0, partitions: Vec::new() }),
    };
    let bytes = partitions.iter().map(tidemill_broker::FetchedPartition::size_bytes).sum();
    let throttle_ms = call.throttle(Some((Bandwidth::Fetch, bytes)));
    let response = FetchResponse { throttle_ms, error_code, session_id, partitions };
    Some(response.encode(call.head, &leader))
}

fn translate(call: &Call<'_>, request: FetchRequest) -> SessionFetch {
    let by_topic_id = call.version() >= BY_TOPIC_ID;
    let most = usize::try_from(request.max_bytes.min(call.broker().config().fetch_max_bytes)).unwrap_or(0);
    let max_bytes = call.service.memory.fetch_allowance(most.min(call.fetch_burst()));
    let longest_wait = i32::try_from(call.service.options.max_fetch_wait.as_millis()).unwrap_or(i32::MAX);
    SessionFetch {
        session_id: request.session_id,
        epoch: request.session_epoch,
        by_topic_id,
        request: BrokerFetch {
            max_wait_ms: request.max_wait_ms.clamp(0, longest_wait),
            min_bytes: request.min_bytes,
            max_bytes: i32::try_from(max_bytes).unwrap_or(i32::MAX),
            isolation: isolation(request.isolation_level),
            partitions: request.topics.iter().flat_map(|topic| wanted(by_topic_id, topic)).collect(),
        },
        forgotten: request
            .forgotten_topics_data
            .iter()
            .flat_map(|topic| forgotten(by_topic_id, topic))
            .collect(),
    }
}

fn wanted(by_topic_id: bool, topic: &FetchTopic) -> impl Iterator<Item = FetchPartition> + '_ {
    let reference = if by_topic_id { TopicRef::Id(topic.topic_id) } else { TopicRef::from(&**topic.topic) };
    topic.partitions.iter().map(move |partition| FetchPartition {
        topic: reference.clone(),
        partition: partition.partition,
        offset: partition.fetch_offset,
        max_bytes: partition.partition_max_bytes,
        current_leader_epoch: partition.current_leader_epoch,
        last_fetched_epoch: partition.last_fetched_epoch,
    })
}

fn forgotten(by_topic_id: bool, topic: &ForgottenTopic) -> impl Iterator<Item = (TopicRef, i32)> + '_ {
    let reference = if by_topic_id { TopicRef::Id(topic.topic_id) } else { TopicRef::from(&**topic.topic) };
    topic.partitions.iter().map(move |partition| (reference.clone(), *partition))
}

/// The isolation level on the wire.
pub(super) fn isolation(level: i8) -> Isolation {
    if level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
}
