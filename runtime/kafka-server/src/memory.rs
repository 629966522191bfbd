//! Bytes in flight, over all connections.
//!
//! Requests: memory is charged as bytes arrive, so announcing a large frame and not sending it holds
//! nothing. While the budget is used up, one connection at a time may finish its frame beyond it:
//! many half-sent frames cannot block each other for ever, and the excess is one frame.
//!
//! Responses: one that is not small is charged until it is written. Nobody waits for room; fetches get
//! smaller instead, so clients that do not read their responses leave the others less to a fetch,
//! but never nothing.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// Requests are charged in units of this many bytes.
const UNIT: usize = 16 << 10;
/// What a fetch may always have.
const LEAST_FETCH_BYTES: usize = 64 << 10;
/// A smaller response is not charged: the socket takes it.
const SMALL_RESPONSE_BYTES: usize = 16 << 10;

/// The memory that all connections share.
#[derive(Debug)]
pub(crate) struct Memory {
    requests: Arc<Semaphore>,
    overdraft: Arc<Mutex<()>>,
    responses: Gauge,
    response_limit: usize,
}

/// What one request holds; given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct RequestCharge {
    permits: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedMutexGuard<()>>,
    units: usize,
}

/// What one response holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct ResponseCharge {
    responses: Gauge,
    bytes: i64,
}

impl Memory {
    pub(crate) fn new(request_bytes: usize, response_limit: usize) -> Memory {
        Memory {
            requests: Arc::new(Semaphore::new((request_bytes / UNIT).max(1))),
            overdraft: Arc::default(),
            responses: Gauge::default(),
            response_limit,
        }
    }

    /// Raises a request's charge to `bytes`, waiting for room. Less than one unit is free.
    pub(crate) async fn charge_request(&self, charge: &mut RequestCharge, bytes: usize) {
        let units = bytes / UNIT;
        if units <= charge.units || charge.overdraft.is_some() {
            return;
        }
        let more = u32::try_from(units - charge.units).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            permits = self.requests.clone().acquire_many_owned(more) => {
                let Ok(permits) = permits else { return };
                charge.units = units;
                match &mut charge.permits {
                    Some(held) => held.merge(permits),
                    none => *none = Some(permits),
                }
            }
            guard = self.overdraft.clone().lock_owned() => charge.overdraft = Some(guard),
        }
    }

    /// How much a fetch may answer now.
    pub(crate) fn fetch_allowance(&self, asked: usize) -> usize {
        let room = self.response_limit.saturating_sub(self.response_bytes());
        asked.min((room / 4).max(LEAST_FETCH_BYTES))
    }

    /// Charges a response that is about to wait for its turn to be written, unless it is small.
    pub(crate) fn charge_response(&self, bytes: usize) -> Option<ResponseCharge> {
        let charged = i64::try_from(bytes).ok().filter(|_| bytes >= SMALL_RESPONSE_BYTES)?;
        self.responses.inc_by(charged);
        Some(ResponseCharge { responses: self.responses.clone(), bytes: charged })
    }

    /// Half of the memory for responses is used: whoever does not read has to go.
    pub(crate) fn is_short(&self) -> bool {
        self.response_bytes() > self.response_limit / 2
    }

    /// Bytes of the responses that are charged.
    pub(crate) fn responses(&self) -> &Gauge {
        &self.responses
    }

    fn response_bytes(&self) -> usize {
        usize::try_from(self.responses.get()).unwrap_or(0)
    }
}

impl RequestCharge {
    /// Whether this is the one request beyond the budget.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.overdraft.is_some()
    }
}

impl Drop for ResponseCharge {
    fn drop(&mut self) {
        self.responses.dec_by(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_request_at_a_time_goes_beyond_the_budget() {
        let memory = Memory::new(4 * UNIT, 0);
        let mut first = RequestCharge::default();
        memory.charge_request(&mut first, 4 * UNIT).await;
        let mut second = RequestCharge::default();
        memory.charge_request(&mut second, 2 * UNIT).await;
        assert!(second.is_overdrawn());
        let mut third = RequestCharge::default();
        assert!(futures::poll!(std::pin::pin!(memory.charge_request(&mut third, UNIT))).is_pending());
        drop(first);
        memory.charge_request(&mut third, UNIT).await;
        assert!(!third.is_overdrawn());
    }

    #[test]
    fn fetches_get_smaller_while_responses_wait() {
        let memory = Memory::new(UNIT, 100 << 20);
        assert_eq!(memory.fetch_allowance(10 << 20), 10 << 20);
        assert!(memory.charge_response(SMALL_RESPONSE_BYTES - 1).is_none());
        let charge = memory.charge_response(90 << 20);
        assert_eq!(memory.fetch_allowance(10 << 20), (10 << 20) / 4);
        assert!(memory.is_short());
        drop(charge);
        assert_eq!(memory.fetch_allowance(10 << 20), 10 << 20);
    }
}
