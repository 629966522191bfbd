//! Ids for idempotent producers, handed out from blocks that the metadata journal reserves.
//!
//! What is left of a block when the broker stops is never used: ids are plenty.

use std::ops::Range;

use tidemill_state::{Command, MetadataCommand, Outcome};
use tokio::sync::Mutex;

use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::{Journals, unexpected};

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

impl ProducerIds {
    /// An id that nobody has.
    pub(crate) async fn next(&self, journals: &Journals) -> Result<i64, Error> {
        let mut left = self.left.lock().await;
        if left.is_empty() {
            let command = Command::Metadata(MetadataCommand::AllocateProducerIds { count: BLOCK });
            *left = match journals.metadata().propose(command).await? {
                Outcome::ProducerIds { first } => first..first.saturating_add(i64::from(BLOCK)),
                other => return Err(unexpected(&other)),
            };
        }
        left.next().ok_or_else(|| Error::new(ErrorKind::UnknownServerError, "no producer ids"))
    }
}

impl Broker {
    /// A new identity for an idempotent producer.
    pub async fn init_producer_id(&self) -> Result<ProducerIdentity, Error> {
        let producer_id = self.producer_ids.next(&self.journals).await?;
        Ok(ProducerIdentity { producer_id, producer_epoch: 0 })
    }
}
