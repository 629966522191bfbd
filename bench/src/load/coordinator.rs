//! A group's or a transactional id's coordinator, found as clients find it.

use std::time::{Duration, Instant};

use anyhow::bail;
use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::StrBytes;

use super::wire::Wire;

const VERSION: i16 = 3;
/// Kafka makes the coordinator's topic when it is first asked for.
const PATIENCE: Duration = Duration::from_secs(60);
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;

/// What a coordinator is asked for.
#[derive(Clone, Copy)]
pub enum Key<'a> {
    /// A group by its id.
    Group(&'a str),
    /// A transactional id.
    Transaction(&'a str),
}

/// Waits until the broker says who coordinates: there is only the one.
pub fn find(wire: &mut Wire, key: Key<'_>) -> anyhow::Result<()> {
    let (key, key_type) = match key {
        Key::Group(id) => (id, 0),
        Key::Transaction(id) => (id, 1),
    };
    let request = FindCoordinatorRequest::default()
        .with_key(StrBytes::from_string(key.to_owned()))
        .with_key_type(key_type);
    patiently(|| Ok(wire.call(&request, VERSION)?.error_code))
}

/// Asks until the coordinator has come up; fails with any other error.
pub fn patiently(mut ask: impl FnMut() -> anyhow::Result<i16>) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        match ask()? {
            0 => return Ok(()),
            code if is_coming_up(code) && started.elapsed() < PATIENCE => {}
            code => bail!("the coordinator answers with error {code}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether an error says that the coordinator is not ready yet.
pub fn is_coming_up(code: i16) -> bool {
    matches!(code, COORDINATOR_LOAD_IN_PROGRESS | COORDINATOR_NOT_AVAILABLE | NOT_COORDINATOR)
}
