//! One client, and when it may ask and push.

use std::net::SocketAddr;

use uuid::Uuid;

/// How long a client is remembered at least after its last request.
const LEAST_MEMORY_MS: i64 = 60_000;

/// What is known of a client that asks or pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFacts {
    /// What the client calls this incarnation of itself; nil if it has no name yet.
    pub instance_id: Uuid,
    /// The same as Kafka writes it.
    pub instance_name: String,
    /// Its client id.
    pub client_id: String,
    /// The name of its software.
    pub software_name: String,
    /// The version of its software.
    pub software_version: String,
    /// Where it is.
    pub address: Option<SocketAddr>,
}

/// What a client says of what it pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Push {
    /// The subscription it follows.
    pub subscription_id: i32,
    /// It is its last.
    pub terminating: bool,
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Before the interval is over.
    #[error("the request came before the push interval was over")]
    TooEarly,
    /// The client follows a subscription that has changed.
    #[error("the subscription has changed")]
    UnknownSubscription,
    /// The client said that it would not come again, or has no instance id.
    #[error("the client has said goodbye, or has no instance id")]
    Invalid,
}

/// A client that asked or pushed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) subscription_id: i32,
    pub(crate) interval_ms: i32,
    /// Of the subscriptions, when the client's was looked up.
    pub(crate) version: u64,
    last_get_ms: Option<i64>,
    /// It has asked since it last pushed.
    has_just_asked: bool,
    last_push_ms: Option<i64>,
    is_terminating: bool,
    /// Its last push was refused for a reason that asking again cures.
    pub(crate) is_to_ask_again: bool,
    pub(crate) last_seen_ms: i64,
    /// Where it stands among those that could be forgotten.
    pub(crate) turn: u64,
}

impl Client {
    pub(crate) fn new(subscription_id: i32, interval_ms: i32, version: u64) -> Self {
        Self {
            subscription_id,
            interval_ms,
            version,
            last_get_ms: None,
            has_just_asked: false,
            last_push_ms: None,
            is_terminating: false,
            is_to_ask_again: false,
            last_seen_ms: 0,
            turn: 0,
        }
    }

    /// Whether nobody needs to remember it any more.
    pub(crate) fn is_expired(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.last_seen_ms) > memory_ms(self.interval_ms)
    }

    pub(crate) fn get(&mut self, now_ms: i64) -> Result<(), Refusal> {
        let last = self.last_get_ms.max(self.last_push_ms);
        if !last.is_none_or(|last| self.is_interval_over(last, now_ms)) && !self.is_to_ask_again {
            return Err(Refusal::TooEarly);
        }
        self.is_to_ask_again = false;
        self.last_get_ms = Some(now_ms);
        self.has_just_asked = true;
        Ok(())
    }

    /// A push right after asking is taken at once: clients spread their first ones over an interval.
    pub(crate) fn push(&mut self, push: Push, now_ms: i64) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.is_terminating, push.terminating) {
            self.is_terminating = true;
            return Err(Refusal::Invalid);
        }
        let has_just_asked = std::mem::take(&mut self.has_just_asked);
        if has_just_asked || self.last_push_ms.is_none_or(|last| self.is_interval_over(last, now_ms)) {
            self.last_push_ms = Some(now_ms);
        } else if !push.terminating {
            return Err(Refusal::TooEarly);
        }
        self.is_to_ask_again = push.subscription_id != self.subscription_id;
        if self.is_to_ask_again {
            return Err(Refusal::UnknownSubscription);
        }
        Ok(())
    }

    fn is_interval_over(&self, since_ms: i64, now_ms: i64) -> bool {
        now_ms.saturating_sub(since_ms) >= i64::from(self.interval_ms)
    }
}

/// How long a client and what it pushed are remembered, as in Kafka.
pub(crate) fn memory_ms(interval_ms: i32) -> i64 {
    i64::from(interval_ms).saturating_mul(3).max(LEAST_MEMORY_MS)
}
