//! The memory that one instance may take.

use wasmtime::ResourceLimiter;

/// Elements of all tables together; a table costs the host a pointer for each.
const MAX_TABLE_ELEMENTS: usize = 500_000;

/// Bounds the linear memories of an instance, together, and its tables.
pub(crate) struct Limiter {
    limit: usize,
    memory: usize,
    memory_before_growth: usize,
    table_elements: usize,
    /// Whether something was denied since the call began.
    denied: bool,
}

impl Limiter {
    pub(crate) fn new(memory_bytes: u64) -> Self {
        let limit = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        Limiter { limit, memory: 0, memory_before_growth: 0, table_elements: 0, denied: false }
    }

    /// Starts a call.
    pub(crate) fn restart(&mut self) {
        self.denied = false;
    }

    pub(crate) fn denied(&self) -> bool {
        self.denied
    }
}

/// The sum after one of its parts grows, if that stays within the limit.
fn grown(sum: usize, current: usize, desired: usize, limit: usize) -> Option<usize> {
    sum.checked_sub(current)?.checked_add(desired).filter(|sum| *sum <= limit)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let sum = grown(self.memory, current, desired, self.limit);
        self.denied |= sum.is_none();
        self.memory_before_growth = self.memory;
        self.memory = sum.unwrap_or(self.memory);
        Ok(sum.is_some())
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory = self.memory_before_growth;
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let sum = grown(self.table_elements, current, desired, MAX_TABLE_ELEMENTS);
        self.denied |= sum.is_none();
        self.table_elements = sum.unwrap_or(self.table_elements);
        Ok(sum.is_some())
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_bounded_together() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.denied());
        assert!(!limiter.memory_growing(40, 41, None).unwrap());
        assert!(limiter.denied());
        limiter.restart();
        assert!(!limiter.memory_growing(60, usize::MAX, None).unwrap());
        assert!(limiter.memory_growing(60, 60, None).unwrap());
    }
}
