//! Whose figures there are.

use crate::peer::Kind;

/// A column of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A broker, with whatever runs beside it.
    Broker(Kind),
    /// The disk or a codec alone: what the machine allows.
    Raw,
    /// DuckDB's own Parquet writer.
    DuckDb,
}

impl Who {
    /// Ours.
    pub const TIDEMILL: Who = Who::Broker(Kind::Tidemill);
    /// The peer with default settings.
    pub const KAFKA: Who = Who::Broker(Kind::Kafka);
    /// The peer that syncs as we do.
    pub const KAFKA_FLUSH: Who = Who::Broker(Kind::KafkaFlush);

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Who::Broker(kind) => kind.name(),
            Who::Raw => "raw",
            Who::DuckDb => "DuckDB",
        }
    }
}

impl From<Kind> for Who {
    fn from(kind: Kind) -> Who {
        Who::Broker(kind)
    }
}
