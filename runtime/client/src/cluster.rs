//! Finds partitions' leaders and speaks to them in terms of record batches.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::Mutex;

use crate::connection::Pending;
use crate::{Connection, Error};

/// Versions up to these name topics by name, not by id.
const METADATA_VERSION: i16 = 12;
const PRODUCE_VERSION: i16 = 11;
const FETCH_VERSION: i16 = 12;
const LIST_OFFSETS_VERSION: i16 = 7;

/// A cluster reached through one bootstrap address.
pub struct Cluster {
    bootstrap: Connection,
    client_id: String,
    /// Connections by `host:port`.
    connections: Mutex<HashMap<String, Connection>>,
}

/// What a broker says of one produced batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Offset of the batch's first record.
    pub base_offset: i64,
}

/// Asks one partition, outside of any session, for what it has from an offset on.
#[must_use]
pub fn fetch_request(topic: &str, partition: i32, offset: i64, max_bytes: i32) -> FetchRequest {
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(max_bytes);
    let fetch_topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partitions(vec![wanted]);
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(max_bytes)
        .with_session_epoch(-1)
        .with_topics(vec![fetch_topic])
}

/// One partition's part of a fetch.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Offset after the last record that consumers may see.
    pub high_watermark: i64,
    /// First offset that is still there.
    pub log_start_offset: i64,
    /// Whole record batches one after another; the last may be cut off, as Kafka allows.
    pub records: Bytes,
}

impl Cluster {
    /// Connects to the bootstrap broker.
    ///
    /// # Errors
    /// As [`Connection::connect`].
    pub async fn connect(bootstrap: &str, client_id: &str) -> Result<Self, Error> {
        let connection = Connection::connect(bootstrap, client_id).await?;
        let connections = HashMap::from([(bootstrap.to_owned(), connection.clone())]);
        Ok(Self {
            bootstrap: connection,
            client_id: client_id.to_owned(),
            connections: Mutex::new(connections),
        })
    }

    /// The bootstrap connection, for calls that any broker answers.
    pub fn bootstrap(&self) -> &Connection {
        &self.bootstrap
    }

    /// A connection to the leader of each partition of `topic`, by partition number.
    ///
    /// # Errors
    /// Kafka's error for the topic, such as `UNKNOWN_TOPIC_OR_PARTITION`.
    pub async fn leaders(&self, topic: &str, auto_create: bool) -> Result<Vec<Connection>, Error> {
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name))]))
            .with_allow_auto_topic_creation(auto_create);
        let answer = self.bootstrap.call(&request, METADATA_VERSION).await?;
        let described = answer.topics.first().ok_or_else(|| missing(topic))?;
        check(described.error_code, || format!("topic {topic}"))?;
        let addresses: HashMap<i32, String> = answer
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, format!("{}:{}", broker.host.as_str(), broker.port)))
            .collect();
        let mut partitions: Vec<_> = described.partitions.iter().collect();
        partitions.sort_by_key(|partition| partition.partition_index);
        let mut leaders = Vec::with_capacity(partitions.len());
        for partition in partitions {
            check(partition.error_code, || format!("topic {topic} partition {}", partition.partition_index))?;
            let address = addresses.get(&partition.leader_id.0).ok_or_else(|| missing(topic))?;
            leaders.push(self.connection(address).await?);
        }
        Ok(leaders)
    }

    async fn connection(&self, address: &str) -> Result<Connection, Error> {
        let mut connections = self.connections.lock().await;
        if let Some(connection) = connections.get(address) {
            return Ok(connection.clone());
        }
        let connection = Connection::connect(address, &self.client_id).await?;
        connections.insert(address.to_owned(), connection.clone());
        Ok(connection)
    }
}

impl Connection {
    /// Sends one record batch with acks=all; the answer can be awaited later.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn send_batch(
        &self,
        topic: &str,
        partition: i32,
        batch: Bytes,
    ) -> Result<Pending<ProduceRequest>, Error> {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
        let topic_data = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partition_data(vec![data]);
        let request =
            ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic_data]);
        self.send(&request, PRODUCE_VERSION).await
    }

    /// Produces one record batch with acks=all.
    ///
    /// # Errors
    /// Kafka's error for the partition, or a broken connection, whose outcome is unknown.
    pub async fn produce_batch(&self, topic: &str, partition: i32, batch: Bytes) -> Result<Produced, Error> {
        self.send_batch(topic, partition, batch).await?.produced(topic, partition).await
    }

    /// Fetches from one partition, waiting up to `max_wait_ms` for data.
    ///
    /// # Errors
    /// Kafka's error for the partition, such as `OFFSET_OUT_OF_RANGE`.
    pub async fn fetch(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        max_bytes: i32,
        max_wait_ms: i32,
    ) -> Result<Fetched, Error> {
        let request = fetch_request(topic, partition, offset, max_bytes).with_max_wait_ms(max_wait_ms);
        let answer = self.call(&request, FETCH_VERSION).await?;
        check(answer.error_code, || format!("fetch {topic}"))?;
        let part = answer
            .responses
            .into_iter()
            .next()
            .and_then(|topic| topic.partitions.into_iter().next())
            .ok_or_else(|| missing(topic))?;
        check(part.error_code, || format!("fetch {topic} partition {partition} offset {offset}"))?;
        Ok(Fetched {
            high_watermark: part.high_watermark,
            log_start_offset: part.log_start_offset,
            records: part.records.unwrap_or_default(),
        })
    }

    /// Resolves a timestamp, or -1 for the end and -2 for the start, to an offset.
    ///
    /// # Errors
    /// Kafka's error for the partition.
    pub async fn list_offset(&self, topic: &str, partition: i32, timestamp: i64) -> Result<i64, Error> {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let listed = ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![listed]);
        let answer = self.call(&request, LIST_OFFSETS_VERSION).await?;
        let part =
            answer.topics.first().and_then(|topic| topic.partitions.first()).ok_or_else(|| missing(topic))?;
        check(part.error_code, || format!("list offsets of {topic} partition {partition}"))?;
        Ok(part.offset)
    }
}

impl Pending<ProduceRequest> {
    /// Waits for the answer to [`Connection::send_batch`].
    ///
    /// # Errors
    /// As [`Connection::produce_batch`].
    pub async fn produced(self, topic: &str, partition: i32) -> Result<Produced, Error> {
        let answer = self.answer().await?;
        let part = answer
            .responses
            .first()
            .and_then(|topic| topic.partition_responses.first())
            .ok_or_else(|| missing(topic))?;
        check(part.error_code, || format!("produce to {topic} partition {partition}"))?;
        Ok(Produced { base_offset: part.base_offset })
    }
}

fn check(code: i16, what: impl FnOnce() -> String) -> Result<(), Error> {
    if code == 0 { Ok(()) } else { Err(Error::Kafka { what: what(), code }) }
}

fn missing(topic: &str) -> Error {
    Error::Malformed { api: "the broker", reason: format!("the answer leaves out topic {topic}") }
}
