//! What is measured, in which unit, and what we aim at: one module for each table of the page.

mod archive;
mod coordination;
mod functions;
mod limits;
mod load;
mod partitions;
mod tools;

use anyhow::Context;

use super::Who;

/// What a figure of ours is held against.
#[derive(Clone, Copy)]
pub enum Aim {
    /// At least so many times another's figure of this row.
    AtLeast(f64, Who),
    /// At most so many times another's figure of this row.
    AtMost(f64, Who),
    /// As [`Aim::AtLeast`], against another's figure of another row.
    AtLeastOf(f64, Who, &'static str),
    /// At most another's figure of another row, and so much more.
    AtMostPlus(f64, Who, &'static str),
    /// Below this.
    Below(f64),
    /// At least this.
    Above(f64),
    /// This row and the other one differ by at most this share of the other.
    Within(f64, &'static str),
}

/// A row of a table.
pub struct Row {
    /// Its name in code.
    pub id: &'static str,
    /// The scenario that measures it, which `--only` takes.
    pub scenario: &'static str,
    /// What it says in the table.
    pub what: &'static str,
    /// Unit of its figures.
    pub unit: &'static str,
    /// What we aim at.
    pub aims: &'static [Aim],
}

/// A table of the page.
pub struct Table {
    /// Its heading.
    pub title: &'static str,
    /// What has to be known to read it.
    pub preface: &'static str,
    /// Whose figures it has.
    pub columns: &'static [Who],
    /// Its rows, in order.
    pub rows: &'static [Row],
}

/// All tables, in the order of the page.
pub const TABLES: &[Table] = &[
    limits::TABLE,
    load::TABLE,
    partitions::TABLE,
    coordination::TABLE,
    functions::TABLE,
    archive::TABLE,
    tools::TABLE,
];

const BROKERS: &[Who] = &[Who::TIDEMILL, Who::KAFKA, Who::KAFKA_FLUSH];

/// All rows of all tables.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().flat_map(|table| table.rows)
}

/// The row with this name.
pub fn row(id: &str) -> anyhow::Result<&'static Row> {
    rows().find(|row| row.id == id).with_context(|| format!("there is no row {id}"))
}

const fn entry(
    id: &'static str,
    scenario: &'static str,
    what: &'static str,
    unit: &'static str,
    aims: &'static [Aim],
) -> Row {
    Row { id, scenario, what, unit, aims }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_have_names_of_their_own_and_aims_name_rows() {
        let ids: BTreeSet<&str> = rows().map(|row| row.id).collect();
        assert_eq!(ids.len(), rows().count());
        for aim in rows().flat_map(|row| row.aims) {
            if let Aim::AtLeastOf(_, _, of) | Aim::AtMostPlus(_, _, of) | Aim::Within(_, of) = aim {
                assert!(ids.contains(of), "{of}");
            }
        }
    }
}
