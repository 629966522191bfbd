//! The columns of an archive object, as an analyst sees them.
//!
//! Iceberg field ids are part of the persisted format: never reuse or renumber one.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// Iceberg field id of `partition`.
pub const PARTITION_FIELD_ID: i32 = 1;
/// Iceberg field id of `offset`.
pub const OFFSET_FIELD_ID: i32 = 2;
/// Iceberg field id of `timestamp`.
pub const TIMESTAMP_FIELD_ID: i32 = 3;
/// Iceberg field id of `key`.
pub const KEY_FIELD_ID: i32 = 4;
/// Iceberg field id of `value`.
pub const VALUE_FIELD_ID: i32 = 5;
/// Iceberg field id of `headers`.
pub const HEADERS_FIELD_ID: i32 = 6;
/// Iceberg field id of the elements of `headers`.
pub const HEADER_ELEMENT_FIELD_ID: i32 = 7;
/// Iceberg field id of `headers.element.key`.
pub const HEADER_KEY_FIELD_ID: i32 = 8;
/// Iceberg field id of `headers.element.value`.
pub const HEADER_VALUE_FIELD_ID: i32 = 9;

/// Leaf columns in file order. The first, `partition`, is never read by us.
pub(crate) mod leaf {
    /// `offset`
    pub(crate) const OFFSET: usize = 1;
    /// `timestamp`
    pub(crate) const TIMESTAMP: usize = 2;
    /// `key`
    pub(crate) const KEY: usize = 3;
    /// `value`
    pub(crate) const VALUE: usize = 4;
    /// `headers.list.element.key`
    pub(crate) const HEADER_KEY: usize = 5;
    /// `headers.list.element.value`
    pub(crate) const HEADER_VALUE: usize = 6;
    /// How many there are.
    pub(crate) const COUNT: usize = 7;
}

/// The unit of the `timestamp` column per Kafka millisecond: Iceberg's `timestamptz` is stored in
/// microseconds, and readers prune by its bounds.
pub(crate) const MICROS_PER_MILLI: i64 = 1000;

/// The name of the column that most of the bytes are in.
pub(crate) const VALUE: &str = "value";

fn with_id(field: Field, id: i32) -> Field {
    field.with_metadata(HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]))
}

/// The fields of one header.
pub(crate) fn header_fields() -> Fields {
    Fields::from(vec![
        with_id(Field::new("key", DataType::Utf8View, false), HEADER_KEY_FIELD_ID),
        with_id(Field::new("value", DataType::BinaryView, true), HEADER_VALUE_FIELD_ID),
    ])
}

/// The element field of the `headers` list.
pub(crate) fn header_element() -> Field {
    with_id(Field::new("element", DataType::Struct(header_fields()), false), HEADER_ELEMENT_FIELD_ID)
}

/// The type of the `timestamp` column.
pub(crate) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The Arrow schema used for writing and reading. Files carry the plain Parquet types only.
pub(crate) fn arrow_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        with_id(Field::new("partition", DataType::Int32, false), PARTITION_FIELD_ID),
        with_id(Field::new("offset", DataType::Int64, false), OFFSET_FIELD_ID),
        with_id(Field::new("timestamp", timestamp_type(), false), TIMESTAMP_FIELD_ID),
        with_id(Field::new("key", DataType::BinaryView, true), KEY_FIELD_ID),
        with_id(Field::new(VALUE, DataType::BinaryView, true), VALUE_FIELD_ID),
        with_id(Field::new("headers", DataType::List(Arc::new(header_element())), false), HEADERS_FIELD_ID),
    ]))
}
