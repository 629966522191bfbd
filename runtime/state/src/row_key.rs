//! Names of rows, and their encoding; `rows.rs` says what it is like.

use std::sync::Arc;

use uuid::Uuid;

use crate::{Error, FunctionInstance, OutboxStream, PartitionId, QuotaEntity, QuotaName};

const WHAT: &str = "state row key";
const PARTITION_BYTES: usize = 20;

/// Names a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RowKey {
    Cluster,
    ProducerIds,
    Topic(Uuid),
    DeployedFunction(Uuid),
    GroupPlacement(Arc<str>),
    BrokerConfigs(Option<i32>),
    ClientQuotas(Arc<QuotaEntity>),
    Partition(PartitionId),
    Object(PartitionId, i64),
    Producer(PartitionId, i64),
    ProducerTransaction(PartitionId, i64),
    Aborted(PartitionId, i64),
    ProducerExpiry,
    ClientMetrics(Arc<str>),
    Features,
    Transaction(Arc<str>),
    Received(OutboxStream),
    Group(Arc<str>),
    GroupOffset(Arc<str>, PartitionId),
    GroupProducer(Arc<str>, i64),
    OffsetExpiry(Arc<str>, PartitionId),
    Function(FunctionInstance),
    GuestState(FunctionInstance, Box<[u8]>),
    Outbox(OutboxStream),
    OutboxMessage(OutboxStream, u64),
}

impl RowKey {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut key = KeyWriter(Vec::with_capacity(64));
        match self {
            Self::Cluster => key.byte(0x01),
            Self::ProducerIds => key.byte(0x02),
            Self::Topic(id) => key.byte(0x03).uuid(id),
            Self::DeployedFunction(id) => key.byte(0x04).uuid(id),
            Self::GroupPlacement(id) => key.byte(0x05).bytes(id.as_bytes()),
            Self::BrokerConfigs(None) => key.byte(0x06),
            Self::BrokerConfigs(Some(node_id)) => key.byte(0x06).bytes(&node_id.to_be_bytes()),
            Self::ClientQuotas(entity) => {
                key.byte(0x07).quota_name(&entity.user).quota_name(&entity.client_id).quota_name(&entity.ip)
            }
            Self::ProducerExpiry => key.byte(0x08),
            Self::Features => key.byte(0x0a),
            Self::ClientMetrics(name) => key.byte(0x09).bytes(name.as_bytes()),
            Self::Partition(id) => key.byte(0x10).partition(id),
            Self::Object(id, base) => key.byte(0x11).partition(id).signed(*base),
            Self::Producer(id, producer) => key.byte(0x12).partition(id).signed(*producer),
            Self::Received(stream) => key.byte(0x13).partition(&stream.target).instance(&stream.instance),
            Self::ProducerTransaction(id, producer) => key.byte(0x14).partition(id).signed(*producer),
            Self::Aborted(id, last_offset) => key.byte(0x15).partition(id).signed(*last_offset),
            Self::Group(id) => key.byte(0x20).bytes(id.as_bytes()),
            Self::GroupOffset(id, partition) => key.byte(0x21).bytes(id.as_bytes()).partition(partition),
            Self::GroupProducer(id, producer) => key.byte(0x22).bytes(id.as_bytes()).signed(*producer),
            Self::OffsetExpiry(id, partition) => key.byte(0x23).bytes(id.as_bytes()).partition(partition),
            Self::Function(instance) => key.byte(0x30).instance(instance),
            Self::GuestState(instance, name) => key.byte(0x31).instance(instance).bytes(name),
            Self::Outbox(stream) => key.byte(0x32).instance(&stream.instance).partition(&stream.target),
            Self::OutboxMessage(stream, sequence) => {
                let key = key.byte(0x33).instance(&stream.instance).partition(&stream.target);
                key.bytes(&sequence.to_be_bytes())
            }
            Self::Transaction(id) => key.byte(0x40).bytes(id.as_bytes()),
        };
        key.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut key = KeyReader(bytes);
        let decoded = match key.byte()? {
            0x01 => Self::Cluster,
            0x02 => Self::ProducerIds,
            0x03 => Self::Topic(key.uuid()?),
            0x04 => Self::DeployedFunction(key.uuid()?),
            0x05 => Self::GroupPlacement(key.string(0)?),
            0x06 if key.0.is_empty() => Self::BrokerConfigs(None),
            0x06 => Self::BrokerConfigs(Some(i32::from_be_bytes(key.array()?))),
            0x07 => {
                let (user, client_id, ip) = (key.quota_name()?, key.quota_name()?, key.quota_name()?);
                Self::ClientQuotas(Arc::new(QuotaEntity { user, client_id, ip }))
            }
            0x08 => Self::ProducerExpiry,
            0x0a => Self::Features,
            0x09 => Self::ClientMetrics(key.string(0)?),
            0x10 => Self::Partition(key.partition()?),
            0x11 => Self::Object(key.partition()?, key.signed()?),
            0x12 => Self::Producer(key.partition()?, key.signed()?),
            0x13 => {
                let (target, instance) = (key.partition()?, key.instance()?);
                Self::Received(OutboxStream { instance, target })
            }
            0x14 => Self::ProducerTransaction(key.partition()?, key.signed()?),
            0x15 => Self::Aborted(key.partition()?, key.signed()?),
            0x20 => Self::Group(key.string(0)?),
            0x21 => Self::GroupOffset(key.string(PARTITION_BYTES)?, key.partition()?),
            0x22 => Self::GroupProducer(key.string(size_of::<i64>())?, key.signed()?),
            0x23 => Self::OffsetExpiry(key.string(PARTITION_BYTES)?, key.partition()?),
            0x30 => Self::Function(key.instance()?),
            0x31 => Self::GuestState(key.instance()?, std::mem::take(&mut key.0).into()),
            0x32 => Self::Outbox(key.stream()?),
            0x33 => Self::OutboxMessage(key.stream()?, u64::from_be_bytes(key.array()?)),
            0x40 => Self::Transaction(key.string(0)?),
            kind => return Err(Error::corrupt(WHAT, format!("unknown kind {kind:#04x}"))),
        };
        if !key.0.is_empty() {
            return Err(Error::corrupt(WHAT, "key too long"));
        }
        Ok(decoded)
    }
}

struct KeyWriter(Vec<u8>);

impl KeyWriter {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes(&[byte])
    }

    fn uuid(&mut self, id: &Uuid) -> &mut Self {
        self.bytes(id.as_bytes())
    }

    fn signed(&mut self, value: i64) -> &mut Self {
        self.bytes(&(value ^ i64::MIN).to_be_bytes())
    }

    fn partition(&mut self, id: &PartitionId) -> &mut Self {
        self.uuid(&id.topic_id).bytes(&(id.partition ^ i32::MIN).to_be_bytes())
    }

    /// 0 for none, 1 for the default, or 2, the length (u16) and the name.
    fn quota_name(&mut self, name: &Option<QuotaName>) -> &mut Self {
        match name {
            None => self.byte(0),
            Some(QuotaName::Default) => self.byte(1),
            Some(QuotaName::Named(name)) => {
                self.byte(2).bytes(&(name.len() as u16).to_be_bytes()).bytes(name.as_bytes())
            }
        }
    }

    fn instance(&mut self, instance: &FunctionInstance) -> &mut Self {
        self.uuid(&instance.function_id).partition(&instance.input)
    }
}

struct KeyReader<'a>(&'a [u8]);

impl KeyReader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(|| Error::corrupt(WHAT, "key too short"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn uuid(&mut self) -> Result<Uuid, Error> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    fn signed(&mut self) -> Result<i64, Error> {
        Ok(i64::from_be_bytes(self.array()?) ^ i64::MIN)
    }

    fn partition(&mut self) -> Result<PartitionId, Error> {
        let topic_id = self.uuid()?;
        let partition = i32::from_be_bytes(self.array()?) ^ i32::MIN;
        Ok(PartitionId { topic_id, partition })
    }

    fn instance(&mut self) -> Result<FunctionInstance, Error> {
        Ok(FunctionInstance { function_id: self.uuid()?, input: self.partition()? })
    }

    fn quota_name(&mut self) -> Result<Option<QuotaName>, Error> {
        match self.byte()? {
            0 => Ok(None),
            1 => Ok(Some(QuotaName::Default)),
            2 => {
                let length = usize::from(u16::from_be_bytes(self.array()?));
                let behind = self.0.len().saturating_sub(length);
                let name = self.string(behind)?;
                if name.len() != length {
                    return Err(Error::corrupt(WHAT, "key too short"));
                }
                Ok(Some(QuotaName::Named(name.to_string())))
            }
            _ => Err(Error::corrupt(WHAT, "unknown kind of quota name")),
        }
    }

    fn stream(&mut self) -> Result<OutboxStream, Error> {
        Ok(OutboxStream { instance: self.instance()?, target: self.partition()? })
    }

    /// All but the last `behind` bytes, as text.
    fn string(&mut self, behind: usize) -> Result<Arc<str>, Error> {
        let (text, rest) = self
            .0
            .len()
            .checked_sub(behind)
            .and_then(|at| self.0.split_at_checked(at))
            .ok_or_else(|| Error::corrupt(WHAT, "key too short"))?;
        self.0 = rest;
        let text = std::str::from_utf8(text).map_err(|_| Error::corrupt(WHAT, "key is not text"))?;
        Ok(text.into())
    }
}
