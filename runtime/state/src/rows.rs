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

pub(crate) use crate::row_key::RowKey;
use crate::state::State;
use crate::{Error, OutboxStream};

const VERSION: u8 = 1;
const WHAT: &str = "state row";

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
            RowKey::ClientMetrics(name) => metadata.client_metrics.get(name).map(value),
            RowKey::Features => metadata.features.row().map(value),
            RowKey::ProducerExpiry => self.producer_expiry_ms.map(|expiry_ms| value(&expiry_ms)),
            RowKey::Transaction(id) => self.transactions.get(id).map(value),
            RowKey::Received(stream) => self.received.get(&(stream.target, stream.instance)).map(value),
            RowKey::Group(id) => self.groups.get(id).and_then(|g| g.row()).map(|row| value(&row)),
            RowKey::GroupOffset(id, partition) => {
                self.groups.get(id).and_then(|g| g.offset(partition)).map(value)
            }
            RowKey::OffsetExpiry(id, partition) => {
                self.groups.get(id).and_then(|g| g.expiries.get(partition)).map(value)
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
            RowKey::ClientMetrics(name) => {
                self.metadata.client_metrics.insert(name, parse(value)?);
            }
            RowKey::Partition(id) => self.load_partition(id, parse(value)?),
            RowKey::Object(id, _) => self.load_object(id, parse(value)?)?,
            RowKey::Producer(id, producer) => self.load_producer(id, producer, &parse(value)?)?,
            RowKey::ProducerTransaction(id, producer) => {
                self.load_producer_transactions(id, producer, parse(value)?)?;
            }
            RowKey::Aborted(id, last_offset) => self.load_aborted(id, last_offset, parse(value)?)?,
            RowKey::Features => self.metadata.features = parse(value)?,
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
            RowKey::OffsetExpiry(id, partition) => self.load_expiry(id, partition, parse(value)?)?,
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
        metadata.client_metrics.keys().try_for_each(|name| visit(RowKey::ClientMetrics(name.clone())))?;
        visit(RowKey::Features)?;
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
            group.expiries.keys().try_for_each(|p| visit(RowKey::OffsetExpiry(id.clone(), *p)))?;
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
