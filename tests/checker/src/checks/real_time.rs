//! Numbers that only grow: whoever looks sees at least what was known before it asked.

/// Something known of the number at a moment.
pub(super) struct Known {
    /// Since when.
    pub at: u64,
    /// At least this.
    pub value: i64,
}

/// Somebody looked.
pub(super) struct Look {
    /// When it asked.
    pub at: u64,
    /// What it saw.
    pub value: i64,
}

/// Looks that saw less than was known before them, each with what was known.
pub(super) fn regressions(mut known: Vec<Known>, mut looks: Vec<Look>) -> Vec<(Look, i64)> {
    known.sort_unstable_by_key(|known| known.at);
    looks.sort_unstable_by_key(|look| look.at);
    let mut known = known.into_iter().peekable();
    let (mut highest, mut found) = (i64::MIN, Vec::new());
    for look in looks {
        while let Some(more) = known.next_if(|known| known.at < look.at) {
            highest = highest.max(more.value);
        }
        if look.value < highest {
            found.push((look, highest));
        }
    }
    found
}
