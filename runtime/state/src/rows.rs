//! The state as rows: one small key and value per partition, archived object, producer, committed
//! offset, and so on. Checkpoints and snapshots are made of these rows.
//!
//! A key is a kind byte and fixed-width big-endian fields (signed ones with the sign bit flipped, so
//! that keys sort like the values); the one field of free length stands where the length is clear.
//! Kinds sort so that a row comes after those it hangs on. A value is a version byte and the
//! postcard encoding of a row struct, or plain bytes where it is a guest's or a batch.
//! `docs/formats/checkpoint.md` lists them.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::state::State;
use crate::{Error, FunctionInstance, OutboxStream, PartitionId, QuotaEntity, QuotaName};

const VERSION: u8 = 1;
const WHAT: &str = "state row";
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
    Transaction(Arc<str>),
    Received(OutboxStream),
    Group(Arc<str>),
    GroupOffset(Arc<str>, PartitionId),
    GroupProducer(Arc<str>, i64),
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
            Self::Partition(id) => key.byte(0x10).partition(id),
            Self::Object(id, base) => key.byte(0x11).partition(id).signed(*base),
            Self::Producer(id, producer) => key.byte(0x12).partition(id).signed(*producer),
            Self::Received(stream) => key.byte(0x13).partition(&stream.target).instance(&stream.instance),
            Self::ProducerTransaction(id, producer) => key.byte(0x14).partition(id).signed(*producer),
            Self::Aborted(id, last_offset) => key.byte(0x15).partition(id).signed(*last_offset),
            Self::Group(id) => key.byte(0x20).bytes(id.as_bytes()),
            Self::GroupOffset(id, partition) => key.byte(0x21).bytes(id.as_bytes()).partition(partition),
            Self::GroupProducer(id, producer) => key.byte(0x22).bytes(id.as_bytes()).signed(*producer),
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

fn value<T: Serialize + ?Sized>(row: &T) -> Result<Vec<u8>, Error> {
    let mut start = Vec::with_capacity(128);
    start.push(VERSION);
    postcard::to_extend(row, start).map_err(|e| Error::corrupt(WHAT, format!("cannot be encoded: {e}")))
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(bytes.len() + 1);
    value.push(VERSION);
    value.extend_from_slice(bytes);
    value
}

fn body(value: &[u8]) -> Result<&[u8], Error> {
    match value.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((&version, _)) => Err(Error::UnknownVersion { what: WHAT, version }),
        None => Err(Error::corrupt(WHAT, "empty value")),
    }
}

fn parse<T: DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    match postcard::take_from_bytes(body(value)?) {
        Ok((row, [])) => Ok(row),
        Ok(_) => Err(Error::corrupt(WHAT, "bytes left over")),
        Err(e) => Err(Error::corrupt(WHAT, e.to_string())),
    }
}

impl State {
    /// The row's value now; none if it is gone.
    pub(crate) fn row(&self, key: &RowKey) -> Result<Option<Vec<u8>>, Error> {
        let metadata = &self.metadata;
        let partition = |id| self.partitions.get(id);
        match key {
            RowKey::Cluster => metadata.cluster_id.map(|id| value(&id)),
            RowKey::ProducerIds => {
                Some(metadata.next_producer_id).filter(|next| *next != 0).map(|next| value(&next))
            }
            RowKey::Topic(id) => metadata.topics.get(id).map(|topic| value(topic.as_ref())),
            RowKey::DeployedFunction(id) => metadata.functions.get(id).map(|f| value(f.as_ref())),
            RowKey::GroupPlacement(id) => metadata.group_journals.get(id).map(value),
            RowKey::BrokerConfigs(node_id) => metadata.broker_configs.get(node_id).map(value),
            RowKey::ClientQuotas(entity) => metadata.client_quotas.get(entity.as_ref()).map(value),
            RowKey::Partition(id) => partition(id).map(|p| value(&p.row())),
            RowKey::Object(id, base) => {
                partition(id).and_then(|p| p.objects().get(base)).map(|object| value(object.as_ref()))
            }
            RowKey::Producer(id, producer) => {
                partition(id).and_then(|p| p.producers.entry(*producer)).map(|p| value(&p.row()))
            }
            RowKey::ProducerTransaction(id, producer) => {
                partition(id).and_then(|p| p.producers.transactions(*producer)).map(value)
            }
            RowKey::Aborted(id, last_offset) => {
                partition(id).and_then(|p| p.producers.unstable()?.aborted_at(*last_offset)).map(value)
            }
            RowKey::ProducerExpiry => self.producer_expiry_ms.map(|expiry_ms| value(&expiry_ms)),
            RowKey::Transaction(id) => self.transactions.get(id).map(value),
            RowKey::Received(stream) => self.received.get(&(stream.target, stream.instance)).map(value),
            RowKey::Group(id) => self.groups.get(id).and_then(|g| g.row()).map(|row| value(&row)),
            RowKey::GroupOffset(id, partition) => {
                self.groups.get(id).and_then(|g| g.offset(partition)).map(value)
            }
            RowKey::GroupProducer(id, producer) => {
                self.groups.get(id).and_then(|g| g.producers.get(producer)).map(value)
            }
            RowKey::Function(instance) => self.functions.get(instance).map(|f| value(&f.row())),
            RowKey::GuestState(instance, name) => {
                self.functions.get(instance).and_then(|f| f.get(name)).map(|v| Ok(plain(v)))
            }
            RowKey::Outbox(stream) => self.outboxes.get(stream).map(|o| value(&o.next_sequence())),
            RowKey::OutboxMessage(stream, sequence) => {
                let batch = self.outboxes.get(stream).and_then(|o| o.messages().get(sequence));
                batch.map(|batch| Ok(plain(batch)))
            }
        }
        .transpose()
    }

    /// Puts a row into a state that is being rebuilt. Rows it hangs on must have come before.
    pub(crate) fn load_row(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match RowKey::decode(key)? {
            RowKey::Cluster => self.metadata.cluster_id = Some(parse(value)?),
            RowKey::ProducerIds => self.metadata.next_producer_id = parse(value)?,
            RowKey::Topic(_) => self.load_topic(parse(value)?)?,
            RowKey::DeployedFunction(_) => self.load_deployed_function(parse(value)?)?,
            RowKey::GroupPlacement(id) => {
                self.metadata.group_journals.insert(id, parse(value)?);
            }
            RowKey::BrokerConfigs(node_id) => {
                self.metadata.broker_configs.insert(node_id, parse(value)?);
            }
            RowKey::ClientQuotas(entity) => {
                self.metadata.client_quotas.insert(Arc::unwrap_or_clone(entity), parse(value)?);
            }
            RowKey::Partition(id) => self.load_partition(id, parse(value)?),
            RowKey::Object(id, _) => self.load_object(id, parse(value)?)?,
            RowKey::Producer(id, producer) => self.load_producer(id, producer, &parse(value)?)?,
            RowKey::ProducerTransaction(id, producer) => {
                self.load_producer_transactions(id, producer, parse(value)?)?;
            }
            RowKey::Aborted(id, last_offset) => self.load_aborted(id, last_offset, parse(value)?)?,
            RowKey::ProducerExpiry => self.producer_expiry_ms = Some(parse(value)?),
            RowKey::Transaction(id) => {
                self.transactions.insert(id, parse(value)?);
            }
            RowKey::GroupProducer(id, producer) => self.load_group_producer(id, producer, parse(value)?),
            RowKey::Received(stream) => {
                self.received.insert((stream.target, stream.instance), parse(value)?);
            }
            RowKey::Group(id) => self.load_group(id, parse(value)?),
            RowKey::GroupOffset(id, partition) => self.load_offset(id, partition, parse(value)?),
            RowKey::Function(instance) => self.load_function(instance, &parse(value)?),
            RowKey::GuestState(instance, name) => self.load_guest_state(instance, &name, body(value)?)?,
            RowKey::Outbox(stream) => self.load_outbox(stream, parse(value)?)?,
            RowKey::OutboxMessage(stream, sequence) => {
                self.load_outbox_message(stream, sequence, body(value)?)?;
            }
        }
        Ok(())
    }

    /// Calls `visit` with every row's key; those that others hang on first.
    pub(crate) fn visit_rows(&self, mut visit: impl FnMut(RowKey) -> Result<(), Error>) -> Result<(), Error> {
        visit(RowKey::Cluster)?;
        visit(RowKey::ProducerIds)?;
        let metadata = &self.metadata;
        metadata.topics.keys().try_for_each(|id| visit(RowKey::Topic(*id)))?;
        metadata.functions.keys().try_for_each(|id| visit(RowKey::DeployedFunction(*id)))?;
        metadata.group_journals.keys().try_for_each(|id| visit(RowKey::GroupPlacement(id.clone())))?;
        metadata.broker_configs.keys().try_for_each(|node_id| visit(RowKey::BrokerConfigs(*node_id)))?;
        let quotas = metadata.client_quotas.keys();
        quotas.cloned().try_for_each(|entity| visit(RowKey::ClientQuotas(Arc::new(entity))))?;
        visit(RowKey::ProducerExpiry)?;
        for (id, partition) in &self.partitions {
            visit(RowKey::Partition(*id))?;
            partition.objects().keys().try_for_each(|base| visit(RowKey::Object(*id, *base)))?;
            for producer in partition.producers() {
                visit(RowKey::Producer(*id, producer.producer_id))?;
                visit(RowKey::ProducerTransaction(*id, producer.producer_id))?;
            }
            let mut aborted = partition.aborted(i64::MIN, i64::MAX);
            aborted.try_for_each(|aborted| visit(RowKey::Aborted(*id, aborted.last_offset)))?;
        }
        for (target, instance) in self.received.keys() {
            visit(RowKey::Received(OutboxStream { instance: *instance, target: *target }))?;
        }
        for (id, group) in &self.groups {
            visit(RowKey::Group(id.clone()))?;
            group.offsets().keys().try_for_each(|p| visit(RowKey::GroupOffset(id.clone(), *p)))?;
            group.producers.keys().try_for_each(|p| visit(RowKey::GroupProducer(id.clone(), *p)))?;
        }
        for (instance, function) in &self.functions {
            visit(RowKey::Function(*instance))?;
            function.values().try_for_each(|(name, _)| visit(RowKey::GuestState(*instance, name.into())))?;
        }
        for (stream, outbox) in &self.outboxes {
            visit(RowKey::Outbox(*stream))?;
            outbox.messages().keys().try_for_each(|s| visit(RowKey::OutboxMessage(*stream, *s)))?;
        }
        self.transactions.keys().try_for_each(|id| visit(RowKey::Transaction(id.clone())))?;
        Ok(())
    }
}
