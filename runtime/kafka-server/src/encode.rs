//! The encoder of the Fetch response: a list of buffers, in which record batches are the very bytes
//! that the broker holds.
//!
//! Layout, versions 4–18 (from 12 on lengths are compact and structs end with tagged fields):
//! ```text
//! throttle_time_ms i32   [7+] error_code i16, session_id i32
//! topics: [..12] name / [13+] topic_id uuid
//!     partitions: index i32, error_code i16, high_watermark i64, last_stable_offset i64,
//!         [5+] log_start_offset i64, aborted_transactions (nullable): producer_id i64, first_offset i64
//!         [11+] preferred_read_replica i32, records bytes
//!         tagged fields: [12+] 0 diverging epoch, [16+] 1 current leader
//! tagged fields: [16+] 0 node endpoints
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use tidemill_broker::{FetchedPartition, TopicRef};

use crate::codes;
use crate::decode::RequestHead;
use crate::response::Response;

/// Batches up to this size are copied together: a buffer of their own would cost more.
const COPY_BELOW: usize = 512;

/// A Fetch response.
#[derive(Debug, Default)]
pub(crate) struct FetchResponse {
    pub(crate) throttle_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) session_id: i32,
    /// Partitions of one topic that follow one another are sent as one topic.
    pub(crate) partitions: Vec<FetchedPartition>,
}

/// The leader of all partitions: this broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leader<'a> {
    pub(crate) node_id: i32,
    pub(crate) host: &'a str,
    pub(crate) port: i32,
}

impl FetchResponse {
    /// The whole frame.
    pub(crate) fn encode(self, head: &RequestHead, leader: &Leader<'_>) -> Response {
        let mut out = Parts { version: head.version, done: Vec::new(), open: BytesMut::with_capacity(256) };
        out.open.put_i32(head.correlation_id);
        out.no_tags();
        out.open.put_i32(self.throttle_ms);
        if out.version >= 7 {
            out.open.put_i16(self.error_code);
            out.open.put_i32(self.session_id);
        }
        let fenced = out.version >= 16 && self.partitions.iter().any(is_fenced);
        let topics = self.partitions.chunk_by(|a, b| a.topic == b.topic);
        out.array(topics.clone().count());
        for partitions in topics {
            out.topic(partitions, leader);
        }
        if fenced {
            out.node_endpoint(leader)
        } else {
            out.no_tags()
        }
        Response::framed(out.finish())
    }
}

/// Whether the client is told who leads, because it believes in another leader.
fn is_fenced(partition: &FetchedPartition) -> bool {
    partition.error.as_ref().is_some_and(|error| error.kind.kafka_code() == codes::FENCED_LEADER_EPOCH)
}

struct Parts {
    version: i16,
    done: Vec<Bytes>,
    open: BytesMut,
}

impl Parts {
    fn flexible(&self) -> bool {
        self.version >= 12
    }

    fn no_tags(&mut self) {
        if self.flexible() {
            self.open.put_u8(0);
        }
    }

    /// The tagged field 0 of the response: where the leaders are that partitions name.
    fn node_endpoint(&mut self, leader: &Leader<'_>) {
        let host = leader.host.as_bytes();
        let mut nodes = Parts { version: self.version, done: Vec::new(), open: BytesMut::new() };
        nodes.array(1);
        nodes.open.put_i32(leader.node_id);
        nodes.varint(host.len() + 1);
        nodes.open.put_slice(host);
        nodes.open.put_i32(leader.port);
        // No rack.
        nodes.open.put_u8(0);
        nodes.no_tags();
        self.varint(1);
        self.tag(0, &nodes.open);
    }

    fn tag(&mut self, number: usize, value: &[u8]) {
        self.varint(number);
        self.varint(value.len());
        self.open.put_slice(value);
    }

    fn array(&mut self, count: usize) {
        if self.flexible() { self.varint(count + 1) } else { self.open.put_i32(length(count)) }
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.open.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.open.put_u8(value as u8);
    }

    fn topic(&mut self, partitions: &[FetchedPartition], leader: &Leader<'_>) {
        match partitions.first().map(|partition| &partition.topic) {
            None => {}
            Some(TopicRef::Id(id)) => self.open.put_slice(id.as_bytes()),
            Some(TopicRef::Name(name)) if self.flexible() => {
                self.varint(name.len() + 1);
                self.open.put_slice(name.as_bytes());
            }
            Some(TopicRef::Name(name)) => {
                self.open.put_i16(i16::try_from(name.len()).unwrap_or(i16::MAX));
                self.open.put_slice(name.as_bytes());
            }
        }
        self.array(partitions.len());
        for partition in partitions {
            self.partition(partition);
            self.partition_tags(partition, leader);
        }
        self.no_tags();
    }

    fn partition(&mut self, partition: &FetchedPartition) {
        let code = partition.error.as_ref().map_or(codes::NONE, |error| error.kind.kafka_code());
        self.open.put_i32(partition.partition);
        self.open.put_i16(code);
        self.open.put_i64(partition.high_watermark);
        self.open.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.open.put_i64(partition.log_start_offset);
        }
        self.array(partition.aborted.len());
        for aborted in &partition.aborted {
            self.open.put_i64(aborted.producer_id);
            self.open.put_i64(aborted.first_offset);
            self.no_tags();
        }
        if self.version >= 11 {
            // No replica is preferred over the leader.
            self.open.put_i32(-1);
        }
        let size = partition.size_bytes();
        if self.flexible() {
            self.varint(size + 1)
        } else {
            self.open.put_i32(length(size))
        }
        for batch in &partition.batches {
            let (header, rest) = batch.pieces();
            self.open.put_slice(header.as_ref().map_or(&[], |header| &header[..]));
            self.batch(rest);
        }
    }

    /// Field 0: where the logs part ways (epoch, end offset). Field 1: who leads, in which epoch.
    fn partition_tags(&mut self, partition: &FetchedPartition, leader: &Leader<'_>) {
        let names_leader = self.version >= 16 && is_fenced(partition);
        let diverging = partition.diverging.filter(|_| self.flexible());
        let count = usize::from(diverging.is_some()) + usize::from(names_leader);
        if count == 0 {
            return self.no_tags();
        }
        self.varint(count);
        if let Some(end) = diverging {
            let value = [&end.leader_epoch.to_be_bytes()[..], &end.end_offset.to_be_bytes(), &[0]].concat();
            self.tag(0, &value);
        }
        if names_leader {
            let (node, epoch) = (leader.node_id.to_be_bytes(), partition.leader_epoch.to_be_bytes());
            self.tag(1, &[&node[..], &epoch, &[0]].concat());
        }
    }

    fn batch(&mut self, bytes: Bytes) {
        if bytes.len() < COPY_BELOW {
            self.open.put_slice(&bytes);
        } else {
            self.close();
            self.done.push(bytes);
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.done.push(self.open.split().freeze());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.done
    }
}

fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use kafka_protocol::messages::ApiKey;
    use kafka_protocol::messages::fetch_response::FetchResponse as Decoded;
    use kafka_protocol::protocol::{Decodable, StrBytes};
    use tidemill_broker::{AbortedTransaction, EpochEnd, Error, ErrorKind};
    use tidemill_records::RecordBatch;
    use uuid::Uuid;

    use super::*;

    fn batch(size: usize) -> RecordBatch {
        use tidemill_records::{BatchBuilder, BatchFacts, Compression};
        let mut builder = BatchBuilder::new(BatchFacts::default());
        builder.push(0, 0, None, Some(&vec![7; size]), &[]);
        builder.build(Compression::None).unwrap()
    }

    fn partition(topic: &TopicRef, batches: Vec<RecordBatch>, error: Option<Error>) -> FetchedPartition {
        FetchedPartition {
            topic: topic.clone(),
            partition: 3,
            high_watermark: 40,
            last_stable_offset: 30,
            log_start_offset: 20,
            leader_epoch: 6,
            diverging: None,
            aborted: vec![AbortedTransaction { producer_id: 9, first_offset: 25, last_offset: 30 }],
            batches,
            error,
        }
    }

    #[test]
    fn the_message_crate_reads_every_version() {
        let (small, large) = (batch(10), batch(5_000));
        for version in 4..=18 {
            let name = TopicRef::from("flights");
            let topic = if version >= 13 { TopicRef::Id(Uuid::from_u128(7)) } else { name };
            let failed = |kind| Some(Error::new(kind, "no such offset, no such leader"));
            let mut diverging = partition(&topic, vec![], None);
            diverging.diverging = Some(EpochEnd { leader_epoch: 2, end_offset: 11 });
            let partitions = vec![
                partition(&topic, vec![small.clone(), large.clone(), small.clone()], None),
                partition(&topic, vec![], failed(ErrorKind::OffsetOutOfRange)),
                partition(&topic, vec![], failed(ErrorKind::FencedLeaderEpoch)),
                diverging,
            ];
            let head =
                RequestHead { api: ApiKey::Fetch, version, correlation_id: 77, client_id: StrBytes::new() };
            let response = FetchResponse { throttle_ms: 5, error_code: 0, session_id: 5, partitions };
            let response = response.encode(&head, &Leader { node_id: 1, host: "here", port: 9092 });
            assert!(response.parts.iter().any(|part| part.as_ptr() == large.bytes().as_ptr()), "copied");
            let mut bytes = Bytes::from(response.parts.concat());
            assert_eq!(bytes.get_i32() as usize, bytes.len());
            assert_eq!(bytes.get_i32(), 77);
            if version >= 12 {
                assert_eq!(bytes.get_u8(), 0);
            }
            let decoded = Decoded::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty());
            assert_eq!(decoded.throttle_time_ms, 5);
            let topic = &decoded.responses[0];
            if version >= 13 {
                assert_eq!(topic.topic_id, Uuid::from_u128(7));
            } else {
                assert_eq!(&**topic.topic, "flights");
            }
            let expected = [small.bytes(), large.bytes(), small.bytes()].concat();
            let (first, second) = (&topic.partitions[0], &topic.partitions[1]);
            assert_eq!(first.records.as_deref(), Some(expected.as_slice()));
            assert_eq!((first.high_watermark, first.last_stable_offset, first.error_code), (40, 30, 0));
            assert_eq!(first.aborted_transactions.as_ref().unwrap()[0].first_offset, 25);
            assert_eq!((second.error_code, second.partition_index), (1, 3));
            assert_eq!(second.records.as_deref(), Some(&[][..]));
            assert_eq!((decoded.responses.len(), decoded.session_id), (1, if version >= 7 { 5 } else { 0 }));
            let (fenced, diverging) = (&topic.partitions[2], &topic.partitions[3]);
            let named = if version >= 16 { (1, 6) } else { (-1, -1) };
            assert_eq!((fenced.current_leader.leader_id.0, fenced.current_leader.leader_epoch), named);
            let nodes: Vec<_> =
                decoded.node_endpoints.iter().map(|n| (n.node_id.0, &*n.host, n.port)).collect();
            assert_eq!(nodes, if version >= 16 { vec![(1, "here", 9092)] } else { vec![] });
            let parted = if version >= 12 { (2, 11) } else { (-1, -1) };
            assert_eq!((diverging.diverging_epoch.epoch, diverging.diverging_epoch.end_offset), parted);
        }
    }
}
