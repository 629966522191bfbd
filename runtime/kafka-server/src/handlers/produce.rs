//! Produce, in two phases: when `submit` returns, the records have their place in the log; the
//! acknowledgement may be waited for while the connection reads on.

use bytes::Bytes;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use tidemill_broker::{PartitionProduced, PendingProduce, ProducePartition, TopicRef, TransactionalProduce};
use uuid::Uuid;

use super::text;
use crate::service::Call;

/// Since this version clients know TRANSACTION_ABORTABLE.
const KNOWS_ABORTABLE: i16 = 11;
/// Since this version a producer need not add partitions to its transaction before.
const ADDS_PARTITIONS: i16 = 12;

/// A frame smaller than this is not worth a copy of its records.
const SMALL_FRAME_BYTES: usize = 64 << 10;

/// A topic as the request has it: its name, its id, and how many partitions follow.
type Asked = (TopicName, Uuid, usize);

/// Records on their way to the disk.
pub(crate) struct Submitted {
    pending: PendingProduce,
    topics: Vec<Asked>,
    version: i16,
    /// acks=0: nobody wants to know.
    pub(crate) silent: bool,
}

/// First phase.
pub(crate) async fn submit(call: &Call<'_>, request: ProduceRequest) -> Submitted {
    let version = call.version();
    let silent = request.acks == 0;
    let mut topics = Vec::with_capacity(request.topic_data.len());
    let mut partitions = Vec::new();
    for topic in request.topic_data {
        let reference =
            if version >= 13 { TopicRef::Id(topic.topic_id) } else { TopicRef::from(&**topic.name) };
        topics.push((topic.name, topic.topic_id, topic.partition_data.len()));
        partitions.extend(topic.partition_data.into_iter().map(|data| ProducePartition {
            topic: reference.clone(),
            partition: data.index,
            records: data.records.unwrap_or_default(),
        }));
    }
    let_go_of_the_frame(call.frame_bytes, &mut partitions);
    let of = request.transactional_id.map(|id| TransactionalProduce {
        transactional_id: id.to_string(),
        version: if version >= ADDS_PARTITIONS { 2 } else { 1 },
        knows_abortable: version >= KNOWS_ABORTABLE,
    });
    let request = tidemill_broker::ProduceRequest { acks: request.acks, partitions };
    let pending = match of {
        Some(of) => call.broker().submit_transactional_produce(request, of).await,
        None => call.broker().submit_produce(request).await,
    };
    Submitted { pending, topics, version, silent }
}

/// Records are views of the frame and keep all of it in memory. If most of the frame is something
/// else, they are copied out of it.
fn let_go_of_the_frame(frame_bytes: usize, partitions: &mut [ProducePartition]) {
    let records: usize = partitions.iter().map(|p| p.records.len()).sum();
    if frame_bytes > SMALL_FRAME_BYTES && records < frame_bytes / 2 {
        for partition in partitions {
            partition.records = Bytes::copy_from_slice(&partition.records);
        }
    }
}

impl Submitted {
    /// Second phase. True beside the response if every partition took its records.
    pub(crate) async fn wait(self) -> (ProduceResponse, bool) {
        let mut produced = self.pending.wait().await.into_iter();
        let mut success = true;
        let version = self.version;
        let responses = self.topics.into_iter().map(|(name, topic_id, count)| {
            let partitions: Vec<_> = produced
                .by_ref()
                .take(count)
                .inspect(|partition| success &= partition.result.is_ok())
                .map(|partition| partition_response(version, partition))
                .collect();
            topic_response(version, name, topic_id, partitions)
        });
        let responses: Vec<_> = responses.collect();
        (ProduceResponse::default().with_responses(responses), success)
    }
}

fn topic_response(
    version: i16,
    name: TopicName,
    topic_id: Uuid,
    partitions: Vec<PartitionProduceResponse>,
) -> TopicProduceResponse {
    let response = TopicProduceResponse::default().with_partition_responses(partitions);
    if version >= 13 { response.with_topic_id(topic_id) } else { response.with_name(name) }
}

fn partition_response(version: i16, produced: PartitionProduced) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(produced.partition);
    match produced.result {
        Ok(done) => {
            let response =
                response.with_base_offset(done.base_offset).with_log_append_time_ms(done.log_append_time_ms);
            if version >= 5 { response.with_log_start_offset(done.log_start_offset) } else { response }
        }
        Err(error) => {
            let response = response
                .with_error_code(error.kind.kafka_code())
                .with_base_offset(-1)
                .with_log_append_time_ms(-1);
            if version >= 8 { response.with_error_message(Some(text(error.message))) } else { response }
        }
    }
}
