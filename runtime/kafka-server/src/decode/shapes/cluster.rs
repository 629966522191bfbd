//! Requests about the cluster: reassignments, elections, directories, quotas, metrics of clients,
//! the quorum, features.

use super::shape::Kind::{Blob, Fixed, FixedList, List, Text};
use super::shape::{Shape, always, since, until};

static DESCRIBE_LOG_DIRS_TOPIC: Shape =
    Shape { flexible_since: 2, fields: &[always(Text), always(FixedList(4))], tags: &[] };

pub(super) static DESCRIBE_LOG_DIRS: Shape =
    Shape { flexible_since: 2, fields: &[always(List(&DESCRIBE_LOG_DIRS_TOPIC))], tags: &[] };

static ELECT_LEADERS_TOPIC: Shape =
    Shape { flexible_since: 2, fields: &[always(Text), always(FixedList(4))], tags: &[] };

pub(super) static ELECT_LEADERS: Shape = Shape {
    flexible_since: 2,
    fields: &[since(1, Fixed(1)), always(List(&ELECT_LEADERS_TOPIC)), always(Fixed(4))],
    tags: &[],
};

static REASSIGNABLE_PARTITION: Shape =
    Shape { flexible_since: 0, fields: &[always(Fixed(4)), always(FixedList(4))], tags: &[] };

static REASSIGNABLE_TOPIC: Shape =
    Shape { flexible_since: 0, fields: &[always(Text), always(List(&REASSIGNABLE_PARTITION))], tags: &[] };

pub(super) static ALTER_PARTITION_REASSIGNMENTS: Shape = Shape {
    flexible_since: 0,
    fields: &[always(Fixed(4)), since(1, Fixed(1)), always(List(&REASSIGNABLE_TOPIC))],
    tags: &[],
};

static LIST_REASSIGNMENTS_TOPIC: Shape =
    Shape { flexible_since: 0, fields: &[always(Text), always(FixedList(4))], tags: &[] };

pub(super) static LIST_PARTITION_REASSIGNMENTS: Shape = Shape {
    flexible_since: 0,
    fields: &[always(Fixed(4)), always(List(&LIST_REASSIGNMENTS_TOPIC))],
    tags: &[],
};

static QUOTA_COMPONENT: Shape =
    Shape { flexible_since: 1, fields: &[always(Text), always(Fixed(1)), always(Text)], tags: &[] };

pub(super) static DESCRIBE_CLIENT_QUOTAS: Shape =
    Shape { flexible_since: 1, fields: &[always(List(&QUOTA_COMPONENT)), always(Fixed(1))], tags: &[] };

static QUOTA_ENTITY: Shape = Shape { flexible_since: 1, fields: &[always(Text), always(Text)], tags: &[] };

static QUOTA_OPERATION: Shape =
    Shape { flexible_since: 1, fields: &[always(Text), always(Fixed(8)), always(Fixed(1))], tags: &[] };

static QUOTA_ENTRY: Shape = Shape {
    flexible_since: 1,
    fields: &[always(List(&QUOTA_ENTITY)), always(List(&QUOTA_OPERATION))],
    tags: &[],
};

pub(super) static ALTER_CLIENT_QUOTAS: Shape =
    Shape { flexible_since: 1, fields: &[always(List(&QUOTA_ENTRY)), always(Fixed(1))], tags: &[] };

pub(super) static LIST_CONFIG_RESOURCES: Shape =
    Shape { flexible_since: 0, fields: &[since(1, FixedList(1))], tags: &[] };

static USER_NAME: Shape = Shape { flexible_since: 0, fields: &[always(Text)], tags: &[] };

pub(super) static DESCRIBE_USER_SCRAM_CREDENTIALS: Shape =
    Shape { flexible_since: 0, fields: &[always(List(&USER_NAME))], tags: &[] };

pub(super) static GET_TELEMETRY_SUBSCRIPTIONS: Shape =
    Shape { flexible_since: 0, fields: &[always(Fixed(16))], tags: &[] };

pub(super) static PUSH_TELEMETRY: Shape = Shape {
    flexible_since: 0,
    fields: &[always(Fixed(16)), always(Fixed(4)), always(Fixed(1)), always(Fixed(1)), always(Blob)],
    tags: &[],
};

static QUORUM_PARTITION: Shape = Shape { flexible_since: 0, fields: &[always(Fixed(4))], tags: &[] };

static QUORUM_TOPIC: Shape =
    Shape { flexible_since: 0, fields: &[always(Text), always(List(&QUORUM_PARTITION))], tags: &[] };

pub(super) static DESCRIBE_QUORUM: Shape =
    Shape { flexible_since: 0, fields: &[always(List(&QUORUM_TOPIC))], tags: &[] };

static FEATURE_UPDATE: Shape = Shape {
    flexible_since: 0,
    fields: &[always(Text), always(Fixed(2)), until(0, Fixed(1)), since(1, Fixed(1))],
    tags: &[],
};

pub(super) static UPDATE_FEATURES: Shape = Shape {
    flexible_since: 0,
    fields: &[always(Fixed(4)), always(List(&FEATURE_UPDATE)), since(1, Fixed(1))],
    tags: &[],
};
