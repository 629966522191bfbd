//! The brokers that are measured: ours and its peers, each the real program as a process of its own.

mod kafka;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, ListOffsetsRequest, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use tidemill_broker_process::{Broker, Usage};
use tokio::runtime::Runtime;

use self::kafka::Kafka;
pub use self::kafka::java;
use crate::load::wire::Wire;

/// Versions that name topics by name, which both brokers have.
const METADATA_VERSION: i16 = 12;
const CREATE_TOPICS_VERSION: i16 = 7;
const LIST_OFFSETS_VERSION: i16 = 7;
/// Topics created by one request.
const TOPICS_PER_REQUEST: usize = 50;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// Ours; fsync before each acknowledgement.
    Tidemill,
    /// Apache Kafka as it comes: acknowledges from the page cache.
    Kafka,
    /// Apache Kafka with `log.flush.interval.messages=1`: on disk before each acknowledgement.
    KafkaFlush,
}

impl Kind {
    /// All of them, in the order of a round.
    pub const ALL: [Kind; 3] = [Kind::Tidemill, Kind::Kafka, Kind::KafkaFlush];

    /// Its name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Tidemill => "Tidemill",
            Kind::Kafka => "Kafka",
            Kind::KafkaFlush => "Kafka, flush per message",
        }
    }

    /// The log of one of its programs.
    pub fn log(self, logs: &Path, program: &str) -> PathBuf {
        logs.join(format!("{}-{program}.log", self.slug()))
    }

    fn slug(self) -> &'static str {
        match self {
            Kind::Tidemill => "tidemill",
            Kind::Kafka => "kafka",
            Kind::KafkaFlush => "kafka-flush",
        }
    }
}

enum Process {
    Tidemill(Box<Broker>),
    Kafka(Kafka),
}

/// A running broker over a data directory of its own, which goes with it.
pub struct Peer {
    /// Who it is.
    pub kind: Kind,
    /// How long its first start took until it was ready.
    pub start_took: Duration,
    process: Process,
    runtime: Runtime,
    dir: PathBuf,
    logs: PathBuf,
}

/// Where things go.
pub struct Place {
    /// Data, on the disk that is measured; it goes with each broker.
    pub data: PathBuf,
    /// Logs, which stay.
    pub logs: PathBuf,
}

/// Settings of one side only.
#[derive(Clone, Copy, Default)]
pub struct Settings<'a> {
    /// For Tidemill.
    pub tidemill: &'a [(&'a str, &'a str)],
    /// For Kafka.
    pub kafka: &'a [(&'a str, &'a str)],
}

impl Peer {
    /// Starts a broker with an empty data directory.
    pub fn start(kind: Kind, place: &Place, settings: Settings<'_>) -> anyhow::Result<Peer> {
        let dir = place.data.join(kind.slug());
        if dir.exists() {
            // What a measurement that failed left behind.
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        let log = kind.log(&place.logs, "broker");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let process = match kind {
            Kind::Tidemill => {
                let broker = Broker::new(&dir.join("data"), settings.tidemill)?;
                Process::Tidemill(Box::new(broker.log_to(log)))
            }
            Kind::Kafka => Process::Kafka(Kafka::new(&dir, log, settings.kafka)?),
            Kind::KafkaFlush => {
                let flush = [("log.flush.interval.messages", "1")];
                Process::Kafka(Kafka::new(&dir, log, &[settings.kafka, &flush].concat())?)
            }
        };
        let mut peer =
            Peer { kind, start_took: Duration::ZERO, process, runtime, dir, logs: place.logs.clone() };
        peer.start_took = peer.launch()?;
        Ok(peer)
    }

    fn launch(&mut self) -> anyhow::Result<Duration> {
        let Self { process, runtime, .. } = self;
        match process {
            Process::Tidemill(broker) => runtime.block_on(broker.start()),
            Process::Kafka(kafka) => kafka.start(),
        }
    }

    /// Stops it (Kafka by a clean shutdown, ours by `kill -9`) and starts it again; answers how long
    /// it took from the start of the process until `topic` has leaders.
    pub fn restart(&mut self, topic: &str) -> anyhow::Result<Duration> {
        match &mut self.process {
            Process::Tidemill(broker) => broker.kill()?,
            Process::Kafka(kafka) => kafka.stop()?,
        }
        let started = Instant::now();
        self.launch()?;
        self.wait_for_leaders(topic)?;
        Ok(started.elapsed())
    }

    /// Where it serves Kafka's protocol.
    pub fn addr(&self) -> &str {
        match &self.process {
            Process::Tidemill(broker) => &broker.kafka_addr,
            Process::Kafka(kafka) => &kafka.addr,
        }
    }

    /// What the operating system says of it.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        match &self.process {
            Process::Tidemill(broker) => broker.usage(),
            Process::Kafka(kafka) => Usage::of(kafka.pid()?),
        }
    }

    /// Our broker and a runtime for its REST API.
    pub fn tidemill(&self) -> Option<(&Broker, &Runtime)> {
        match &self.process {
            Process::Tidemill(broker) => Some((broker, &self.runtime)),
            Process::Kafka(_) => None,
        }
    }

    /// Creates a topic and waits until it has leaders.
    pub fn create(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        self.create_all(&[topic.to_owned()], partitions)
    }

    /// Creates topics and waits until the last one has leaders.
    pub fn create_all(&self, topics: &[String], partitions: i32) -> anyhow::Result<()> {
        let mut wire = Wire::connect(self.addr())?;
        for chunk in topics.chunks(TOPICS_PER_REQUEST) {
            let asked = chunk.iter().map(|name| creatable(name, partitions)).collect();
            let request = CreateTopicsRequest::default().with_topics(asked).with_timeout_ms(120_000);
            let answer = wire.call(&request, CREATE_TOPICS_VERSION)?;
            for topic in answer.topics {
                ensure!(topic.error_code == 0, "{:?}: error {}", topic.name, topic.error_code);
            }
        }
        topics.last().map_or(Ok(()), |last| self.wait_for_leaders(last))
    }

    fn wait_for_leaders(&self, topic: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(300);
        while Instant::now() < deadline {
            if self.metadata(topic).is_ok_and(|answer| has_leaders(&answer)) && self.all_serve(topic)? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("{} has no leaders for {topic}", self.kind.name())
    }

    /// Kafka names a leader somewhat earlier than it leads.
    fn all_serve(&self, topic: &str) -> anyhow::Result<bool> {
        let partitions = self.metadata(topic)?.topics.into_iter().flat_map(|topic| topic.partitions);
        let asked = partitions.map(|partition| {
            ListOffsetsPartition::default()
                .with_partition_index(partition.partition_index)
                .with_current_leader_epoch(-1)
                .with_timestamp(-1)
        });
        let topics =
            vec![ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(asked.collect())];
        let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(topics);
        let answer = Wire::connect(self.addr())?.call(&request, LIST_OFFSETS_VERSION)?;
        Ok(answer
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|partition| partition.error_code == 0))
    }

    fn metadata(&self, topic: &str) -> anyhow::Result<MetadataResponse> {
        let asked = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        let request =
            MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(false);
        Wire::connect(self.addr())?.call(&request, METADATA_VERSION)
    }

    /// Where its data is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a program beside it writes its log.
    pub fn log(&self, program: &str) -> PathBuf {
        self.kind.log(&self.logs, program)
    }

    /// Ends it and deletes its data.
    pub fn end(self) -> anyhow::Result<()> {
        let dir = self.dir.clone();
        drop(self);
        std::fs::remove_dir_all(&dir).with_context(|| format!("{} cannot be deleted", dir.display()))
    }
}

fn creatable(name: &str, partitions: i32) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
}

fn has_leaders(answer: &MetadataResponse) -> bool {
    answer.topics.iter().all(|topic| {
        let partitions = &topic.partitions;
        topic.error_code == 0
            && !partitions.is_empty()
            && partitions.iter().all(|p| p.error_code == 0 && p.leader_id.0 >= 0)
    })
}

/// A topic's name as messages have it.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
