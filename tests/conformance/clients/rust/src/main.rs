//! rdkafka, the Rust binding of librdkafka. See ../README.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const PATIENCE: Duration = Duration::from_secs(60);

async fn produce(broker: &str, topic: &str, from: usize, to: usize) {
    let share = (to - from).div_ceil(CODECS.len());
    for (n, codec) in CODECS.iter().enumerate() {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", broker)
            .set("enable.idempotence", "true")
            .set("compression.type", *codec)
            .create()
            .expect("a producer");
        let sent = (from + n * share..to.min(from + (n + 1) * share)).map(|i| {
            let producer = producer.clone();
            let topic = topic.to_owned();
            tokio::spawn(async move {
                let (key, value, number) = (format!("k{i}"), format!("value-{i}-☃"), i.to_string());
                let headers = OwnedHeaders::new().insert(Header { key: "n", value: Some(&number) });
                let record = FutureRecord::to(&topic).key(&key).payload(&value).headers(headers);
                producer.send(record, PATIENCE).await.expect("an acknowledgement");
            })
        });
        for one in sent.collect::<Vec<_>>() {
            one.await.expect("a delivery");
        }
    }
}

async fn consume(broker: &str, topic: &str, group: &str, phase: &'static str, members: usize, count: usize) {
    let seen = Arc::new(AtomicUsize::new(0));
    let reading = (0..members).map(|_| {
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", broker)
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer");
        consumer.subscribe(&[topic]).expect("a subscription");
        let seen = seen.clone();
        tokio::spawn(async move {
            while seen.load(Ordering::SeqCst) < count {
                let Ok(message) = tokio::time::timeout(Duration::from_millis(100), consumer.recv()).await
                else {
                    continue;
                };
                let message = message.expect("a message");
                let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
                let header = text(message.headers().expect("headers").get(0).value);
                println!("{phase} {} {} {header}", text(message.key()), text(message.payload()));
                consumer.store_offset_from_message(&message).expect("an offset to store");
                seen.fetch_add(1, Ordering::SeqCst);
            }
            // A member that got nothing has nothing to commit.
            let _ = consumer.commit_consumer_state(CommitMode::Sync);
        })
    });
    for one in reading.collect::<Vec<_>>() {
        one.await.expect("a member");
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, broker, topic, group, count] = arguments.as_slice() else {
        panic!("usage: BROKER TOPIC GROUP COUNT");
    };
    let count: usize = count.parse().expect("a number");
    let all = async {
        produce(broker, topic, 0, count).await;
        consume(broker, topic, group, "first", 2, count).await;
        produce(broker, topic, count, count + 10).await;
        consume(broker, topic, group, "second", 1, 10).await;
    };
    tokio::time::timeout(PATIENCE, all).await.expect("everything in time");
}
