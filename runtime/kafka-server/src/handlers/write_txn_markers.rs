//! WriteTxnMarkers: ends transactions in partitions, whatever their coordinator says.

use kafka_protocol::messages::write_txn_markers_request::WritableTxnMarker;
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use kafka_protocol::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use tidemill_broker::{ProducerIdentity, TopicRef};

use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
    let mut results = Vec::with_capacity(request.markers.len());
    for marker in request.markers {
        results.push(one(call, marker).await);
    }
    WriteTxnMarkersResponse::default().with_markers(results)
}

async fn one(call: &Call<'_>, marker: WritableTxnMarker) -> WritableTxnMarkerResult {
    let who = ProducerIdentity { producer_id: marker.producer_id.0, producer_epoch: marker.producer_epoch };
    let mut topics = Vec::with_capacity(marker.topics.len());
    for topic in marker.topics {
        let reference = TopicRef::from(&**topic.name);
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for partition in topic.partition_indexes {
            let (epoch, commit) = (marker.coordinator_epoch, marker.transaction_result);
            let written = call.broker().write_marker(&reference, partition, who, epoch, commit).await;
            let code = written.map_or_else(|error| error.kind.kafka_code(), |()| codes::NONE);
            let result = WritableTxnMarkerPartitionResult::default().with_partition_index(partition);
            partitions.push(result.with_error_code(code));
        }
        topics
            .push(WritableTxnMarkerTopicResult::default().with_name(topic.name).with_partitions(partitions));
    }
    WritableTxnMarkerResult::default().with_producer_id(marker.producer_id).with_topics(topics)
}
