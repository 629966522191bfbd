//! Requests about consumer groups. Fields stand in the order of Kafka's message definitions.

use super::shape::Kind::{Blob, Fixed, FixedList, List, Text, TextList};
use super::shape::{Shape, always, since, until};

static OFFSET_COMMIT_OFFSET_COMMIT_REQUEST_PARTITION: Shape = Shape {
    flexible_since: 8,
    fields: &[always(Fixed(4)), always(Fixed(8)), since(6, Fixed(4)), always(Text)],
    tags: &[],
};

static OFFSET_COMMIT_OFFSET_COMMIT_REQUEST_TOPIC: Shape = Shape {
    flexible_since: 8,
    fields: &[always(Text), always(List(&OFFSET_COMMIT_OFFSET_COMMIT_REQUEST_PARTITION))],
    tags: &[],
};

pub(super) static OFFSET_COMMIT: Shape = Shape {
    flexible_since: 8,
    fields: &[
        always(Text),
        always(Fixed(4)),
        always(Text),
        since(7, Text),
        until(4, Fixed(8)),
        always(List(&OFFSET_COMMIT_OFFSET_COMMIT_REQUEST_TOPIC)),
    ],
    tags: &[],
};

static OFFSET_FETCH_OFFSET_FETCH_REQUEST_TOPIC: Shape =
    Shape { flexible_since: 6, fields: &[until(7, Text), until(7, FixedList(4))], tags: &[] };

static OFFSET_FETCH_OFFSET_FETCH_REQUEST_TOPICS: Shape =
    Shape { flexible_since: 6, fields: &[since(8, Text), since(8, FixedList(4))], tags: &[] };

static OFFSET_FETCH_OFFSET_FETCH_REQUEST_GROUP: Shape = Shape {
    flexible_since: 6,
    fields: &[
        since(8, Text),
        since(9, Text),
        since(9, Fixed(4)),
        since(8, List(&OFFSET_FETCH_OFFSET_FETCH_REQUEST_TOPICS)),
    ],
    tags: &[],
};

pub(super) static OFFSET_FETCH: Shape = Shape {
    flexible_since: 6,
    fields: &[
        until(7, Text),
        until(7, List(&OFFSET_FETCH_OFFSET_FETCH_REQUEST_TOPIC)),
        since(8, List(&OFFSET_FETCH_OFFSET_FETCH_REQUEST_GROUP)),
        since(7, Fixed(1)),
    ],
    tags: &[],
};

pub(super) static FIND_COORDINATOR: Shape =
    Shape { flexible_since: 3, fields: &[until(3, Text), since(1, Fixed(1)), since(4, TextList)], tags: &[] };

static JOIN_GROUP_JOIN_GROUP_REQUEST_PROTOCOL: Shape =
    Shape { flexible_since: 6, fields: &[always(Text), always(Blob)], tags: &[] };

pub(super) static JOIN_GROUP: Shape = Shape {
    flexible_since: 6,
    fields: &[
        always(Text),
        always(Fixed(4)),
        since(1, Fixed(4)),
        always(Text),
        since(5, Text),
        always(Text),
        always(List(&JOIN_GROUP_JOIN_GROUP_REQUEST_PROTOCOL)),
        since(8, Text),
    ],
    tags: &[],
};

pub(super) static HEARTBEAT: Shape = Shape {
    flexible_since: 4,
    fields: &[always(Text), always(Fixed(4)), always(Text), since(3, Text)],
    tags: &[],
};

static LEAVE_GROUP_MEMBER_IDENTITY: Shape =
    Shape { flexible_since: 4, fields: &[since(3, Text), since(3, Text), since(5, Text)], tags: &[] };

pub(super) static LEAVE_GROUP: Shape = Shape {
    flexible_since: 4,
    fields: &[always(Text), until(2, Text), since(3, List(&LEAVE_GROUP_MEMBER_IDENTITY))],
    tags: &[],
};

static SYNC_GROUP_SYNC_GROUP_REQUEST_ASSIGNMENT: Shape =
    Shape { flexible_since: 4, fields: &[always(Text), always(Blob)], tags: &[] };

pub(super) static SYNC_GROUP: Shape = Shape {
    flexible_since: 4,
    fields: &[
        always(Text),
        always(Fixed(4)),
        always(Text),
        since(3, Text),
        since(5, Text),
        since(5, Text),
        always(List(&SYNC_GROUP_SYNC_GROUP_REQUEST_ASSIGNMENT)),
    ],
    tags: &[],
};

pub(super) static DESCRIBE_GROUPS: Shape =
    Shape { flexible_since: 5, fields: &[always(TextList), since(3, Fixed(1))], tags: &[] };

pub(super) static LIST_GROUPS: Shape =
    Shape { flexible_since: 3, fields: &[since(4, TextList), since(5, TextList)], tags: &[] };

pub(super) static DELETE_GROUPS: Shape = Shape { flexible_since: 2, fields: &[always(TextList)], tags: &[] };

static OFFSET_DELETE_OFFSET_DELETE_REQUEST_PARTITION: Shape =
    Shape { flexible_since: i16::MAX, fields: &[always(Fixed(4))], tags: &[] };

static OFFSET_DELETE_OFFSET_DELETE_REQUEST_TOPIC: Shape = Shape {
    flexible_since: i16::MAX,
    fields: &[always(Text), always(List(&OFFSET_DELETE_OFFSET_DELETE_REQUEST_PARTITION))],
    tags: &[],
};

pub(super) static OFFSET_DELETE: Shape = Shape {
    flexible_since: i16::MAX,
    fields: &[always(Text), always(List(&OFFSET_DELETE_OFFSET_DELETE_REQUEST_TOPIC))],
    tags: &[],
};
