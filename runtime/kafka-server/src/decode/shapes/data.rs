//! Requests about records. Fields stand in the order of Kafka's message definitions.

use super::shape::Kind::{Blob, Fixed, FixedList, List, Struct, Text};
use super::shape::{Shape, always, between, since, until};

static PRODUCE_PARTITION_PRODUCE_DATA: Shape =
    Shape { flexible_since: 9, fields: &[always(Fixed(4)), always(Blob)], tags: &[] };

static PRODUCE_TOPIC_PRODUCE_DATA: Shape = Shape {
    flexible_since: 9,
    fields: &[until(12, Text), since(13, Fixed(16)), always(List(&PRODUCE_PARTITION_PRODUCE_DATA))],
    tags: &[],
};

pub(super) static PRODUCE: Shape = Shape {
    flexible_since: 9,
    fields: &[always(Text), always(Fixed(2)), always(Fixed(4)), always(List(&PRODUCE_TOPIC_PRODUCE_DATA))],
    tags: &[],
};

static FETCH_FETCH_PARTITION: Shape = Shape {
    flexible_since: 12,
    fields: &[
        always(Fixed(4)),
        since(9, Fixed(4)),
        always(Fixed(8)),
        since(12, Fixed(4)),
        since(5, Fixed(8)),
        always(Fixed(4)),
    ],
    tags: &[(0, Fixed(16)), (1, Fixed(8))],
};

static FETCH_FETCH_TOPIC: Shape = Shape {
    flexible_since: 12,
    fields: &[until(12, Text), since(13, Fixed(16)), always(List(&FETCH_FETCH_PARTITION))],
    tags: &[],
};

static FETCH_FORGOTTEN_TOPIC: Shape = Shape {
    flexible_since: 12,
    fields: &[between(7, 12, Text), since(13, Fixed(16)), since(7, FixedList(4))],
    tags: &[],
};

static FETCH_REPLICA_STATE: Shape =
    Shape { flexible_since: 12, fields: &[since(15, Fixed(4)), since(15, Fixed(8))], tags: &[] };

pub(super) static FETCH: Shape = Shape {
    flexible_since: 12,
    fields: &[
        until(14, Fixed(4)),
        always(Fixed(4)),
        always(Fixed(4)),
        always(Fixed(4)),
        always(Fixed(1)),
        since(7, Fixed(4)),
        since(7, Fixed(4)),
        always(List(&FETCH_FETCH_TOPIC)),
        since(7, List(&FETCH_FORGOTTEN_TOPIC)),
        since(11, Text),
    ],
    tags: &[(0, Text), (1, Struct(&FETCH_REPLICA_STATE))],
};

static LIST_OFFSETS_LIST_OFFSETS_PARTITION: Shape =
    Shape { flexible_since: 6, fields: &[always(Fixed(4)), since(4, Fixed(4)), always(Fixed(8))], tags: &[] };

static LIST_OFFSETS_LIST_OFFSETS_TOPIC: Shape = Shape {
    flexible_since: 6,
    fields: &[always(Text), always(List(&LIST_OFFSETS_LIST_OFFSETS_PARTITION))],
    tags: &[],
};

pub(super) static LIST_OFFSETS: Shape = Shape {
    flexible_since: 6,
    fields: &[
        always(Fixed(4)),
        since(2, Fixed(1)),
        always(List(&LIST_OFFSETS_LIST_OFFSETS_TOPIC)),
        since(10, Fixed(4)),
    ],
    tags: &[],
};

pub(super) static INIT_PRODUCER_ID: Shape = Shape {
    flexible_since: 2,
    fields: &[always(Text), always(Fixed(4)), since(3, Fixed(8)), since(3, Fixed(2))],
    tags: &[],
};

static OFFSET_FOR_LEADER_EPOCH_OFFSET_FOR_LEADER_PARTITION: Shape =
    Shape { flexible_since: 4, fields: &[always(Fixed(4)), always(Fixed(4)), always(Fixed(4))], tags: &[] };

static OFFSET_FOR_LEADER_EPOCH_OFFSET_FOR_LEADER_TOPIC: Shape = Shape {
    flexible_since: 4,
    fields: &[always(Text), always(List(&OFFSET_FOR_LEADER_EPOCH_OFFSET_FOR_LEADER_PARTITION))],
    tags: &[],
};

pub(super) static OFFSET_FOR_LEADER_EPOCH: Shape = Shape {
    flexible_since: 4,
    fields: &[since(3, Fixed(4)), always(List(&OFFSET_FOR_LEADER_EPOCH_OFFSET_FOR_LEADER_TOPIC))],
    tags: &[],
};
