//! Requests about transactions. Fields stand in the order of Kafka's message definitions.

use super::shape::Kind::{Fixed, FixedList, List, Text, TextList};
use super::shape::{Shape, always, since, until};

static ADD_PARTITIONS_TO_TXN_TOPIC: Shape =
    Shape { flexible_since: 3, fields: &[always(Text), always(FixedList(4))], tags: &[] };

static ADD_PARTITIONS_TO_TXN_TRANSACTION: Shape = Shape {
    flexible_since: 3,
    fields: &[
        since(4, Text),
        since(4, Fixed(8)),
        since(4, Fixed(2)),
        since(4, Fixed(1)),
        since(4, List(&ADD_PARTITIONS_TO_TXN_TOPIC)),
    ],
    tags: &[],
};

pub(super) static ADD_PARTITIONS_TO_TXN: Shape = Shape {
    flexible_since: 3,
    fields: &[
        since(4, List(&ADD_PARTITIONS_TO_TXN_TRANSACTION)),
        until(3, Text),
        until(3, Fixed(8)),
        until(3, Fixed(2)),
        until(3, List(&ADD_PARTITIONS_TO_TXN_TOPIC)),
    ],
    tags: &[],
};

pub(super) static ADD_OFFSETS_TO_TXN: Shape = Shape {
    flexible_since: 3,
    fields: &[always(Text), always(Fixed(8)), always(Fixed(2)), always(Text)],
    tags: &[],
};

pub(super) static END_TXN: Shape = Shape {
    flexible_since: 3,
    fields: &[always(Text), always(Fixed(8)), always(Fixed(2)), always(Fixed(1))],
    tags: &[],
};

static WRITE_TXN_MARKERS_TOPIC: Shape =
    Shape { flexible_since: 1, fields: &[always(Text), always(FixedList(4))], tags: &[] };

static WRITE_TXN_MARKERS_MARKER: Shape = Shape {
    flexible_since: 1,
    fields: &[
        always(Fixed(8)),
        always(Fixed(2)),
        always(Fixed(1)),
        always(List(&WRITE_TXN_MARKERS_TOPIC)),
        always(Fixed(4)),
    ],
    tags: &[],
};

pub(super) static WRITE_TXN_MARKERS: Shape =
    Shape { flexible_since: 1, fields: &[always(List(&WRITE_TXN_MARKERS_MARKER))], tags: &[] };

static TXN_OFFSET_COMMIT_PARTITION: Shape = Shape {
    flexible_since: 3,
    fields: &[always(Fixed(4)), always(Fixed(8)), since(2, Fixed(4)), always(Text)],
    tags: &[],
};

static TXN_OFFSET_COMMIT_TOPIC: Shape = Shape {
    flexible_since: 3,
    fields: &[always(Text), always(List(&TXN_OFFSET_COMMIT_PARTITION))],
    tags: &[],
};

pub(super) static TXN_OFFSET_COMMIT: Shape = Shape {
    flexible_since: 3,
    fields: &[
        always(Text),
        always(Text),
        always(Fixed(8)),
        always(Fixed(2)),
        since(3, Fixed(4)),
        since(3, Text),
        since(3, Text),
        always(List(&TXN_OFFSET_COMMIT_TOPIC)),
    ],
    tags: &[],
};

static DESCRIBE_PRODUCERS_TOPIC: Shape =
    Shape { flexible_since: 0, fields: &[always(Text), always(FixedList(4))], tags: &[] };

pub(super) static DESCRIBE_PRODUCERS: Shape =
    Shape { flexible_since: 0, fields: &[always(List(&DESCRIBE_PRODUCERS_TOPIC))], tags: &[] };

pub(super) static DESCRIBE_TRANSACTIONS: Shape =
    Shape { flexible_since: 0, fields: &[always(TextList)], tags: &[] };

pub(super) static LIST_TRANSACTIONS: Shape = Shape {
    flexible_since: 0,
    fields: &[always(TextList), always(FixedList(8)), since(1, Fixed(8)), since(2, Text)],
    tags: &[],
};
