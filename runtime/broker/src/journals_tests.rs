//! Placements of groups and transactional ids: forgotten when nothing is stored of them, and never
//! while somebody is about to store something.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidemill_disk::{RealDisk, SystemClock};
use tidemill_state::{Command, PutGroup};

use crate::broker::Broker;
use crate::config::BrokerConfig;

async fn start(folder: &TempDir) -> Arc<Broker> {
    let config = BrokerConfig {
        data_dir: folder.path().to_owned(),
        journals: 2,
        disk_reserve_bytes: 0,
        // The coordinator's own look is not to come in between.
        transaction_abort_timed_out_transaction_cleanup_interval_ms: 3_600_000,
        ..BrokerConfig::default()
    };
    Broker::start(config, Arc::new(RealDisk), Arc::new(SystemClock)).await.unwrap()
}

fn placed(broker: &Broker, id: &str) -> Option<u32> {
    broker.journals.metadata().state(|state| state.metadata().group_journal(id))
}

fn put(id: &str) -> Command {
    Command::PutGroup(PutGroup { group_id: id.to_owned(), snapshot: b"members".to_vec(), now_ms: 1 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn placements_of_what_is_gone_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(&folder).await;
    for id in ["ghost", "group"] {
        drop(broker.journals.settle(id).await.unwrap());
    }
    broker.journals.settle("group").await.unwrap().propose(put("group")).await.unwrap();
    broker.init_transactional_producer("transactional", 1000, None).await.unwrap();
    assert_eq!(broker.journals.forget_placements().await.unwrap(), 1);
    assert_eq!(placed(&broker, "ghost"), None);
    assert!(placed(&broker, "group").is_some() && placed(&broker, "transactional").is_some());
    assert_eq!(broker.journals.forget_placements().await.unwrap(), 0);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_placement_is_forgotten_under_somebody_who_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(&folder).await;
    let settled = broker.journals.settle("group").await.unwrap();
    let other = Arc::clone(&broker);
    let forgetting = tokio::spawn(async move { other.journals.forget_placements().await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!forgetting.is_finished(), "it waits");
    settled.propose(put("group")).await.unwrap();
    drop(settled);
    assert_eq!(forgetting.await.unwrap().unwrap(), 0);
    assert!(placed(&broker, "group").is_some());
    broker.shutdown().await;
}
