//! From a frame to its handler.

use std::pin::Pin;

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::apis;
use crate::decode::{self, DecodeError, RequestHead};
use crate::handlers;
use crate::response::{EncodeError, Response};
use crate::service::Call;
use crate::throttle::{Bandwidth, Throttled};

/// What becomes of a request.
pub(crate) enum Reply {
    /// It is answered.
    Now(Response),
    /// It will be answered; the connection reads on meanwhile.
    Later(Pin<Box<dyn Future<Output = Result<Option<Response>, Refusal>> + Send>>),
    /// Nobody waits for an answer.
    Nothing,
}

/// Why the connection is closed instead of an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// As Kafka does it: a producer with acks=0 would not learn of the error in any other way.
    #[error("records sent without acknowledgement were refused")]
    SilentProduce,
}

/// Checks and decodes a request.
fn decode<R: Decodable>(head: &RequestHead, mut body: Bytes) -> Result<R, DecodeError> {
    decode::check(head.api, head.version, &body)?;
    R::decode(&mut body, head.version).map_err(|error| DecodeError::Message(error.to_string()))
}

/// Encodes a response, with how long the client is to be quiet if it is over a quota.
fn reply<R: Throttled + Encodable>(call: &Call<'_>, mut response: R) -> Result<Reply, Refusal> {
    response.set_throttle_time(call.throttle(None));
    Ok(Reply::Now(Response::encode(call.head, call.head.version, &response)?))
}

macro_rules! answer {
    ($call:ident, $body:ident, $module:ident) => {{
        let request = decode($call.head, $body)?;
        let response = Box::pin(handlers::$module::handle($call, request)).await;
        reply($call, response)
    }};
}

macro_rules! answer_unless_gone {
    ($call:ident, $body:ident, $module:ident) => {{
        let request = decode($call.head, $body)?;
        tokio::select! {
            biased;
            response = Box::pin(handlers::$module::handle($call, request)) => {
                reply($call, response)
            }
            () = $call.gone.cancelled() => Ok(Reply::Nothing),
        }
    }};
}

/// Serves one request. An error closes the connection.
pub(crate) async fn serve(call: &Call<'_>, body: Bytes) -> Result<Reply, Refusal> {
    let head = call.head;
    if head.api == ApiKey::ApiVersions && apis::check(head.api, head.version).is_err() {
        let response: ApiVersionsResponse = handlers::api_versions::unsupported_version(call);
        return Ok(Reply::Now(Response::encode(head, 0, &response)?));
    }
    call.service.metrics.request(apis::check(head.api, head.version)?.name);
    if apis::is_telemetry(head.api) && !call.broker().takes_client_metrics() {
        return Err(DecodeError::UnknownApi(head.api as i16).into());
    }
    match head.api {
        ApiKey::Produce => produce(call, body).await,
        ApiKey::Fetch => {
            let request = decode(head, body)?;
            let response = Box::pin(handlers::fetch::handle(call, request)).await;
            Ok(response.map_or(Reply::Nothing, Reply::Now))
        }
        ApiKey::ListOffsets => answer!(call, body, list_offsets),
        ApiKey::Metadata => answer!(call, body, metadata),
        ApiKey::OffsetCommit => answer!(call, body, offset_commit),
        ApiKey::OffsetFetch => answer!(call, body, offset_fetch),
        ApiKey::FindCoordinator => answer!(call, body, find_coordinator),
        ApiKey::JoinGroup => answer_unless_gone!(call, body, join_group),
        ApiKey::Heartbeat => answer!(call, body, heartbeat),
        ApiKey::LeaveGroup => answer!(call, body, leave_group),
        ApiKey::SyncGroup => answer_unless_gone!(call, body, sync_group),
        _ => serve_admin(call, body).await,
    }
}

/// Requests that are not on the way of records.
async fn serve_admin(call: &Call<'_>, body: Bytes) -> Result<Reply, Refusal> {
    match call.head.api {
        ApiKey::DescribeGroups => answer!(call, body, describe_groups),
        ApiKey::ListGroups => answer!(call, body, list_groups),
        ApiKey::ApiVersions => answer!(call, body, api_versions),
        ApiKey::CreateTopics => answer!(call, body, create_topics),
        ApiKey::DeleteTopics => answer!(call, body, delete_topics),
        ApiKey::DeleteRecords => answer!(call, body, delete_records),
        ApiKey::InitProducerId => answer!(call, body, init_producer_id),
        ApiKey::OffsetForLeaderEpoch => answer!(call, body, offset_for_leader_epoch),
        ApiKey::DescribeConfigs => answer!(call, body, describe_configs),
        ApiKey::AlterConfigs => answer!(call, body, alter_configs),
        ApiKey::CreatePartitions => answer!(call, body, create_partitions),
        ApiKey::DeleteGroups => answer!(call, body, delete_groups),
        ApiKey::IncrementalAlterConfigs => answer!(call, body, incremental_alter_configs),
        ApiKey::OffsetDelete => answer!(call, body, offset_delete),
        ApiKey::DescribeCluster => answer!(call, body, describe_cluster),
        ApiKey::DescribeTopicPartitions => answer!(call, body, describe_topic_partitions),
        _ => serve_transaction(call, body).await,
    }
}

/// Requests about transactions.
async fn serve_transaction(call: &Call<'_>, body: Bytes) -> Result<Reply, Refusal> {
    match call.head.api {
        ApiKey::AddPartitionsToTxn => answer!(call, body, add_partitions_to_txn),
        ApiKey::AddOffsetsToTxn => answer!(call, body, add_offsets_to_txn),
        ApiKey::EndTxn => answer!(call, body, end_txn),
        ApiKey::WriteTxnMarkers => answer!(call, body, write_txn_markers),
        ApiKey::TxnOffsetCommit => answer!(call, body, txn_offset_commit),
        ApiKey::DescribeProducers => answer!(call, body, describe_producers),
        ApiKey::DescribeTransactions => answer!(call, body, describe_transactions),
        ApiKey::ListTransactions => answer!(call, body, list_transactions),
        _ => serve_cluster(call, body).await,
    }
}

/// Requests about the cluster as a whole.
async fn serve_cluster(call: &Call<'_>, body: Bytes) -> Result<Reply, Refusal> {
    match call.head.api {
        ApiKey::DescribeLogDirs => answer!(call, body, describe_log_dirs),
        ApiKey::ElectLeaders => answer!(call, body, elect_leaders),
        ApiKey::AlterPartitionReassignments => answer!(call, body, alter_partition_reassignments),
        ApiKey::ListPartitionReassignments => answer!(call, body, list_partition_reassignments),
        ApiKey::DescribeClientQuotas => answer!(call, body, describe_client_quotas),
        ApiKey::AlterClientQuotas => answer!(call, body, alter_client_quotas),
        ApiKey::DescribeQuorum => answer!(call, body, describe_quorum),
        ApiKey::UpdateFeatures => answer!(call, body, update_features),
        ApiKey::GetTelemetrySubscriptions => answer!(call, body, get_telemetry_subscriptions),
        ApiKey::PushTelemetry => answer!(call, body, push_telemetry),
        ApiKey::ListConfigResources => answer!(call, body, list_config_resources),
        ApiKey::DescribeUserScramCredentials => answer!(call, body, describe_user_scram_credentials),
        other => Err(DecodeError::UnknownApi(other as i16).into()),
    }
}

async fn produce(call: &Call<'_>, body: Bytes) -> Result<Reply, Refusal> {
    let request = decode(call.head, body)?;
    let submitted = Box::pin(handlers::produce::submit(call, request)).await;
    let head = call.head.clone();
    let throttle_ms = call.throttle(Some((Bandwidth::Produce, call.frame_bytes)));
    Ok(Reply::Later(Box::pin(async move {
        let silent = submitted.silent;
        let (mut response, success) = submitted.wait().await;
        response.set_throttle_time(throttle_ms);
        match (silent, success) {
            (false, _) => Ok(Some(Response::encode(&head, head.version, &response)?)),
            (true, true) => Ok(None),
            (true, false) => Err(Refusal::SilentProduce),
        }
    })))
}
