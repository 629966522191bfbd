//! A broker with nothing but its Kafka server: `cargo run --example serve -- FOLDER [ADDR]`.

use std::sync::Arc;

use tidemill_broker::{Broker, BrokerConfig};
use tidemill_disk::{RealDisk, SystemClock};
use tidemill_kafka_server::{KafkaServer, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let data_dir = args.next().ok_or("usage: serve FOLDER [ADDR]")?.into();
    let kafka_addr = args.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let config = BrokerConfig { data_dir, kafka_addr: kafka_addr.clone(), ..BrokerConfig::default() };
    let options = Options::from_config(&config);
    let broker = Broker::start(config, Arc::new(RealDisk), Arc::new(SystemClock)).await?;
    let server = KafkaServer::bind(&kafka_addr, broker.clone(), options).await?;
    println!("{}", server.local_addr());
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    broker.shutdown().await;
    Ok(())
}
