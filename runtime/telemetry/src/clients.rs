//! Which client is to push what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::client::{Client, ClientFacts, Push, Refusal};
use crate::subscription::{ALL_METRICS, DEFAULT_INTERVAL_MS, Subscription};

/// Clients that are remembered at a time, as many as in Kafka; beyond it the one that was silent for
/// longest goes.
pub const MAX_CLIENTS: usize = 16_384;

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Names what follows; it comes back with every push.
    pub subscription_id: i32,
    /// How often the client is to push.
    pub interval_ms: i32,
    /// Prefixes of the metrics to push; none for no metrics.
    pub metrics: Vec<String>,
}

/// All clients that asked or pushed of late, and the subscriptions.
#[derive(Debug, Default)]
pub struct Clients {
    subscriptions: Vec<Subscription>,
    /// Counts changes of the subscriptions.
    version: u64,
    clients: HashMap<Uuid, Client>,
    /// The one silent for longest first.
    turns: BTreeMap<u64, Uuid>,
    next_turn: u64,
}

impl Clients {
    /// Replaces all subscriptions. Clients learn of it with their next request.
    pub fn set_subscriptions(&mut self, subscriptions: Vec<Subscription>) {
        self.subscriptions = subscriptions;
        self.version += 1;
    }

    /// How many clients are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether no client is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Forgets clients that have been silent for long. Answers which.
    pub fn expire(&mut self, now_ms: i64) -> Vec<Uuid> {
        let silent = self.clients.iter().filter(|(_, client)| client.is_expired(now_ms));
        let silent: Vec<Uuid> = silent.map(|(id, _)| *id).collect();
        for id in &silent {
            if let Some(client) = self.clients.remove(id) {
                self.turns.remove(&client.turn);
            }
        }
        silent
    }

    /// What the client is to push. It may ask once per interval, and at once after a change.
    pub fn subscribe(&mut self, client: &ClientFacts, now_ms: i64) -> Result<Granted, Refusal> {
        self.client(client, now_ms).get(now_ms)?;
        Ok(self.grant(client))
    }

    /// Whether the client may push this now. Answers its interval.
    pub fn push(&mut self, client: &ClientFacts, push: Push, now_ms: i64) -> Result<i32, Refusal> {
        if client.instance_id.is_nil() {
            return Err(Refusal::Invalid);
        }
        let known = self.client(client, now_ms);
        known.push(push, now_ms)?;
        Ok(known.interval_ms)
    }

    /// The client's push was in a compression that is not known: it may ask at once which are.
    pub fn let_ask_again(&mut self, instance: &Uuid) {
        if let Some(client) = self.clients.get_mut(instance) {
            client.is_to_ask_again = true;
        }
    }

    /// The client as it is remembered, looked up again if subscriptions have changed.
    fn client(&mut self, facts: &ClientFacts, now_ms: i64) -> &mut Client {
        let id = facts.instance_id;
        let known = self.clients.get(&id).copied();
        if let Some(known) = &known {
            self.turns.remove(&known.turn);
        }
        let current = known.filter(|known| known.version == self.version && !known.is_expired(now_ms));
        let mut client = current.unwrap_or_else(|| {
            let granted = self.grant(facts);
            Client::new(granted.subscription_id, granted.interval_ms, self.version)
        });
        if known.is_none() {
            self.make_room();
        }
        client.last_seen_ms = now_ms;
        client.turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(client.turn, id);
        self.clients.entry(id).insert_entry(client).into_mut()
    }

    fn make_room(&mut self) {
        while self.clients.len() >= MAX_CLIENTS
            && let Some((_, oldest)) = self.turns.pop_first()
        {
            self.clients.remove(&oldest);
        }
    }

    fn grant(&self, client: &ClientFacts) -> Granted {
        let mut metrics = BTreeSet::new();
        let mut interval_ms = DEFAULT_INTERVAL_MS;
        for subscription in self.subscriptions.iter().filter(|subscription| subscription.is_for(client)) {
            metrics.extend(subscription.metrics.iter().map(String::as_str));
            interval_ms = interval_ms.min(subscription.interval_ms);
        }
        if metrics.contains(ALL_METRICS) {
            metrics = BTreeSet::from([ALL_METRICS]);
        }
        let metrics: Vec<String> = metrics.into_iter().map(str::to_owned).collect();
        let subscription_id = subscription_id(&metrics, interval_ms, client.instance_id);
        Granted { subscription_id, interval_ms, metrics }
    }
}

/// The same for the same client and content, as in Kafka, so that it survives a restart.
fn subscription_id(metrics: &[String], interval_ms: i32, instance: Uuid) -> i32 {
    let content = crc32c::crc32c(format!("{metrics:?}{interval_ms}").as_bytes());
    let owner = crc32c::crc32c(instance.as_bytes());
    (content ^ owner).cast_signed()
}
