//! Requests about the cluster, topics and configs. Fields stand in the order of Kafka's message definitions.

use super::shape::Kind::{Fixed, FixedList, List, OptionalStruct, Text, TextList};
use super::shape::{Shape, always, between, since, until};

static METADATA_METADATA_REQUEST_TOPIC: Shape =
    Shape { flexible_since: 9, fields: &[since(10, Fixed(16)), always(Text)], tags: &[] };

pub(super) static METADATA: Shape = Shape {
    flexible_since: 9,
    fields: &[
        always(List(&METADATA_METADATA_REQUEST_TOPIC)),
        since(4, Fixed(1)),
        between(8, 10, Fixed(1)),
        since(8, Fixed(1)),
    ],
    tags: &[],
};

pub(super) static API_VERSIONS: Shape =
    Shape { flexible_since: 3, fields: &[since(3, Text), since(3, Text)], tags: &[] };

static CREATE_TOPICS_CREATABLE_REPLICA_ASSIGNMENT: Shape =
    Shape { flexible_since: 5, fields: &[always(Fixed(4)), always(FixedList(4))], tags: &[] };

static CREATE_TOPICS_CREATABLE_TOPIC_CONFIG: Shape =
    Shape { flexible_since: 5, fields: &[always(Text), always(Text)], tags: &[] };

static CREATE_TOPICS_CREATABLE_TOPIC: Shape = Shape {
    flexible_since: 5,
    fields: &[
        always(Text),
        always(Fixed(4)),
        always(Fixed(2)),
        always(List(&CREATE_TOPICS_CREATABLE_REPLICA_ASSIGNMENT)),
        always(List(&CREATE_TOPICS_CREATABLE_TOPIC_CONFIG)),
    ],
    tags: &[],
};

pub(super) static CREATE_TOPICS: Shape = Shape {
    flexible_since: 5,
    fields: &[always(List(&CREATE_TOPICS_CREATABLE_TOPIC)), always(Fixed(4)), always(Fixed(1))],
    tags: &[],
};

static DELETE_TOPICS_DELETE_TOPIC_STATE: Shape =
    Shape { flexible_since: 4, fields: &[since(6, Text), since(6, Fixed(16))], tags: &[] };

pub(super) static DELETE_TOPICS: Shape = Shape {
    flexible_since: 4,
    fields: &[since(6, List(&DELETE_TOPICS_DELETE_TOPIC_STATE)), until(5, TextList), always(Fixed(4))],
    tags: &[],
};

static DELETE_RECORDS_DELETE_RECORDS_PARTITION: Shape =
    Shape { flexible_since: 2, fields: &[always(Fixed(4)), always(Fixed(8))], tags: &[] };

static DELETE_RECORDS_DELETE_RECORDS_TOPIC: Shape = Shape {
    flexible_since: 2,
    fields: &[always(Text), always(List(&DELETE_RECORDS_DELETE_RECORDS_PARTITION))],
    tags: &[],
};

pub(super) static DELETE_RECORDS: Shape = Shape {
    flexible_since: 2,
    fields: &[always(List(&DELETE_RECORDS_DELETE_RECORDS_TOPIC)), always(Fixed(4))],
    tags: &[],
};

static DESCRIBE_CONFIGS_DESCRIBE_CONFIGS_RESOURCE: Shape =
    Shape { flexible_since: 4, fields: &[always(Fixed(1)), always(Text), always(TextList)], tags: &[] };

pub(super) static DESCRIBE_CONFIGS: Shape = Shape {
    flexible_since: 4,
    fields: &[
        always(List(&DESCRIBE_CONFIGS_DESCRIBE_CONFIGS_RESOURCE)),
        always(Fixed(1)),
        since(3, Fixed(1)),
    ],
    tags: &[],
};

static ALTER_CONFIGS_ALTERABLE_CONFIG: Shape =
    Shape { flexible_since: 2, fields: &[always(Text), always(Text)], tags: &[] };

static ALTER_CONFIGS_ALTER_CONFIGS_RESOURCE: Shape = Shape {
    flexible_since: 2,
    fields: &[always(Fixed(1)), always(Text), always(List(&ALTER_CONFIGS_ALTERABLE_CONFIG))],
    tags: &[],
};

pub(super) static ALTER_CONFIGS: Shape = Shape {
    flexible_since: 2,
    fields: &[always(List(&ALTER_CONFIGS_ALTER_CONFIGS_RESOURCE)), always(Fixed(1))],
    tags: &[],
};

static CREATE_PARTITIONS_CREATE_PARTITIONS_ASSIGNMENT: Shape =
    Shape { flexible_since: 2, fields: &[always(FixedList(4))], tags: &[] };

static CREATE_PARTITIONS_CREATE_PARTITIONS_TOPIC: Shape = Shape {
    flexible_since: 2,
    fields: &[always(Text), always(Fixed(4)), always(List(&CREATE_PARTITIONS_CREATE_PARTITIONS_ASSIGNMENT))],
    tags: &[],
};

pub(super) static CREATE_PARTITIONS: Shape = Shape {
    flexible_since: 2,
    fields: &[always(List(&CREATE_PARTITIONS_CREATE_PARTITIONS_TOPIC)), always(Fixed(4)), always(Fixed(1))],
    tags: &[],
};

static INCREMENTAL_ALTER_CONFIGS_ALTERABLE_CONFIG: Shape =
    Shape { flexible_since: 1, fields: &[always(Text), always(Fixed(1)), always(Text)], tags: &[] };

static INCREMENTAL_ALTER_CONFIGS_ALTER_CONFIGS_RESOURCE: Shape = Shape {
    flexible_since: 1,
    fields: &[always(Fixed(1)), always(Text), always(List(&INCREMENTAL_ALTER_CONFIGS_ALTERABLE_CONFIG))],
    tags: &[],
};

pub(super) static INCREMENTAL_ALTER_CONFIGS: Shape = Shape {
    flexible_since: 1,
    fields: &[always(List(&INCREMENTAL_ALTER_CONFIGS_ALTER_CONFIGS_RESOURCE)), always(Fixed(1))],
    tags: &[],
};

pub(super) static DESCRIBE_CLUSTER: Shape = Shape {
    flexible_since: 0,
    fields: &[always(Fixed(1)), since(1, Fixed(1)), since(2, Fixed(1))],
    tags: &[],
};

static DESCRIBE_TOPIC_PARTITIONS_TOPIC_REQUEST: Shape =
    Shape { flexible_since: 0, fields: &[always(Text)], tags: &[] };

static DESCRIBE_TOPIC_PARTITIONS_CURSOR: Shape =
    Shape { flexible_since: 0, fields: &[always(Text), always(Fixed(4))], tags: &[] };

pub(super) static DESCRIBE_TOPIC_PARTITIONS: Shape = Shape {
    flexible_since: 0,
    fields: &[
        always(List(&DESCRIBE_TOPIC_PARTITIONS_TOPIC_REQUEST)),
        always(Fixed(4)),
        always(OptionalStruct(&DESCRIBE_TOPIC_PARTITIONS_CURSOR)),
    ],
    tags: &[],
};
