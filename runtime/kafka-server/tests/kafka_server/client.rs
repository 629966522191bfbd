//! A broker with its server, and a bare client that speaks the protocol by the message crate.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, IncrementalAlterConfigsRequest, MetadataRequest, MetadataResponse,
    ProduceRequest, ProduceResponse, TopicName, incremental_alter_configs_request,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use tempfile::TempDir;
use tidemill_broker::{Broker, BrokerConfig};
use tidemill_disk::{RealDisk, SystemClock};
use tidemill_kafka_server::{KafkaServer, Options};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch, Records};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A running broker in a folder of its own.
pub struct Running {
    pub broker: Arc<Broker>,
    pub server: KafkaServer,
    pub folder: TempDir,
}

/// Starts one.
pub async fn start(options: Options) -> Running {
    start_in(tempfile::tempdir().unwrap(), options).await
}

/// Starts one over what another left behind.
pub async fn start_in(folder: TempDir, options: Options) -> Running {
    start_with(folder, BrokerConfig::default(), options).await
}

/// Starts one with settings.
pub async fn start_with(folder: TempDir, config: BrokerConfig, options: Options) -> Running {
    let config = BrokerConfig {
        data_dir: folder.path().to_owned(),
        journals: 1,
        group_initial_rebalance_delay_ms: 0,
        group_min_session_timeout_ms: 1,
        disk_reserve_bytes: 0,
        ..config
    };
    let broker = Broker::start(config, Arc::new(RealDisk), Arc::new(SystemClock)).await.unwrap();
    let server = KafkaServer::bind("127.0.0.1:0", broker.clone(), options).await.unwrap();
    Running { broker, server, folder }
}

impl Running {
    pub async fn connect(&self) -> Client {
        Client::connect(self.server.local_addr()).await
    }

    pub async fn stop(self) -> TempDir {
        self.server.shutdown().await;
        self.broker.shutdown().await;
        self.folder
    }
}

/// A connection.
pub struct Client {
    pub stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Client {
        Client { stream: TcpStream::connect(addr).await.unwrap(), correlation_id: 0 }
    }

    /// Sends a request and reads its response.
    pub async fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let id = self.send(request, version).await;
        self.receive::<R>(id, version).await
    }

    /// Sends a request. Answers its correlation id.
    pub async fn send<R: Request>(&mut self, request: &R, version: i16) -> i32 {
        self.correlation_id += 1;
        let frame = frame(request, version, self.correlation_id);
        self.stream.write_all(&frame).await.unwrap();
        self.correlation_id
    }

    /// Reads the next response, which must be the one to this request.
    pub async fn receive<R: Request>(&mut self, id: i32, version: i16) -> R::Response {
        let mut bytes = self.receive_frame().await.expect("a response");
        assert_eq!(bytes.get_i32(), id, "responses come in order");
        if R::Response::header_version(version) >= 1 {
            assert_eq!(bytes.get_u8(), 0);
        }
        let response = R::Response::decode(&mut bytes, version).unwrap();
        assert!(bytes.is_empty(), "{} bytes too many", bytes.len());
        response
    }

    /// The next frame; none if the connection was closed.
    pub async fn receive_frame(&mut self) -> Option<Bytes> {
        let length = self.stream.read_i32().await.ok()?;
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut bytes).await.ok()?;
        Some(Bytes::from(bytes))
    }

    /// Makes sure that a topic exists.
    pub async fn create(&mut self, topic: &str) -> MetadataResponse {
        let topic = MetadataRequestTopic::default().with_name(Some(name(topic)));
        self.call(&MetadataRequest::default().with_topics(Some(vec![topic])), 12).await
    }

    /// Produces records of one batch to partition 0.
    pub async fn produce(&mut self, topic: &str, values: &[&str]) -> ProduceResponse {
        self.call(&produce_request(topic, values, -1), 9).await
    }

    /// Values of partition 0 from an offset.
    pub async fn fetch_values(&mut self, topic: &str, offset: i64) -> Vec<String> {
        let response = self.call(&fetch_request(topic, offset, 0), 12).await;
        values(&response)
    }
}

/// A string as messages have it.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub fn name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A request as it goes over the wire.
pub fn frame<R: Request>(request: &R, version: i16, correlation_id: i32) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_i16(R::KEY);
    out.put_i16(version);
    out.put_i32(correlation_id);
    out.put_i16(4);
    out.put_slice(b"test");
    if R::header_version(version) >= 2 {
        out.put_u8(0);
    }
    request.encode(&mut out, version).unwrap();
    let length = i32::try_from(out.len() - 4).unwrap();
    out[..4].copy_from_slice(&length.to_be_bytes());
    out.freeze()
}

pub fn batch(values: &[&str]) -> RecordBatch {
    let mut builder = BatchBuilder::new(BatchFacts { base_timestamp: now_ms(), ..BatchFacts::default() });
    for (delta, value) in (0..).zip(values) {
        builder.push(delta, 0, None, Some(value.as_bytes()), &[]);
    }
    builder.build(Compression::None).unwrap()
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

pub fn produce_request(topic: &str, values: &[&str], acks: i16) -> ProduceRequest {
    let partition =
        PartitionProduceData::default().with_index(0).with_records(Some(batch(values).bytes().clone()));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

pub fn fetch_request(topic: &str, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default().with_max_wait_ms(max_wait_ms).with_min_bytes(1).with_topics(vec![topic])
}

/// The values in a fetch response.
pub fn values(response: &FetchResponse) -> Vec<String> {
    let mut values = Vec::new();
    for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
        assert_eq!(partition.error_code, 0);
        let mut bytes = partition.records.clone().unwrap_or_default();
        while !bytes.is_empty() {
            let batch = RecordBatch::split(&mut bytes).unwrap();
            for record in Records::new(batch.records_section(), batch.record_count()) {
                values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
            }
        }
    }
    values
}

/// Sets configs of a resource, or takes them back to their defaults where there is no value.
pub fn alter_request(
    kind: i8,
    resource: &str,
    changes: &[(&str, Option<&str>)],
) -> IncrementalAlterConfigsRequest {
    let configs = changes.iter().map(|(name, value)| {
        incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(if value.is_some() { 0 } else { 1 })
            .with_value(value.map(text))
    });
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configs(configs.collect());
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}
