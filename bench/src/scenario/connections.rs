//! What open connections take of the broker's memory: each has said hello and asked for metadata, as every client
//! does, and half of them wait in a fetch.

use std::time::Duration;

use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};

use super::{Effort, Figures};
use crate::load::consume::{FETCH_VERSION, fetch_request};
use crate::load::wire::{Frame, Wire};
use crate::peer::Peer;

const COUNT: usize = 2000;
const API_VERSIONS_VERSION: i16 = 0;
const METADATA_VERSION: i16 = 1;
/// Longer than this takes.
const FETCH_WAIT_MS: i32 = 600_000;
/// What the last of them leave to do.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) fn measure(peer: &mut Peer, _: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    peer.create("connections", 1)?;
    let fetch = fetch_request("connections", 0, 0).with_max_wait_ms(FETCH_WAIT_MS);
    let mut fetch = Frame::new(&fetch, FETCH_VERSION)?;
    let before = peer.usage()?.resident_bytes;
    let mut open = Vec::with_capacity(COUNT);
    for number in 0..COUNT {
        let mut wire = Wire::connect(peer.addr())?;
        wire.call(&ApiVersionsRequest::default(), API_VERSIONS_VERSION)?;
        wire.call(&MetadataRequest::default().with_topics(Some(Vec::new())), METADATA_VERSION)?;
        if number % 2 == 1 {
            wire.send(&mut fetch)?;
        }
        open.push(wire);
    }
    std::thread::sleep(SETTLE);
    let grown = peer.usage()?.resident_bytes.saturating_sub(before);
    figures.add("connections.memory", grown as f64 / 1024.0 / COUNT as f64)
}
