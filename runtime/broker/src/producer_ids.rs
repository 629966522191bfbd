//! Ids for idempotent producers, handed out from blocks that the metadata journal reserves.
//!
//! What is left of a block when the broker stops is never used: ids are plenty.

use std::ops::Range;

use tidemill_state::{Command, MetadataCommand, Outcome};
use tokio::sync::Mutex;

use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::unexpected;

const BLOCK: u32 = 1000;

/// The rest of the current block.
#[derive(Default)]
pub(crate) struct ProducerIds {
    left: Mutex<Range<i64>>,
}

/// A producer's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdentity {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
}

impl Broker {
    /// A new identity for an idempotent producer.
    pub async fn init_producer_id(&self, transactional_id: Option<&str>) -> Result<ProducerIdentity, Error> {
        if transactional_id.is_some() {
            let message = "transactions are not supported by this broker yet";
            return Err(Error::new(ErrorKind::TransactionalIdNotSupported, message));
        }
        let mut left = self.producer_ids.left.lock().await;
        if left.is_empty() {
            let command = Command::Metadata(MetadataCommand::AllocateProducerIds { count: BLOCK });
            *left = match self.journals.metadata().propose(command).await? {
                Outcome::ProducerIds { first } => first..first.saturating_add(i64::from(BLOCK)),
                other => return Err(unexpected(&other)),
            };
        }
        let producer_id =
            left.next().ok_or_else(|| Error::new(ErrorKind::UnknownServerError, "no producer ids"))?;
        Ok(ProducerIdentity { producer_id, producer_epoch: 0 })
    }
}
