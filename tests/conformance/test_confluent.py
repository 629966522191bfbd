"""confluent-kafka, on librdkafka."""

import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, ResourceType


def produce(broker, topic: str, items, **settings) -> list:
    """Produces (key, value, headers) and answers the delivery reports."""
    producer = Producer({"bootstrap.servers": broker.kafka_addr, "linger.ms": 5, **settings})
    reports = []
    for key, value, headers in items:
        producer.produce(topic, value, key, headers=headers,
                         on_delivery=lambda error, message: reports.append((error, message)))
        producer.poll(0)
    producer.flush(30)
    assert [error for error, _ in reports if error] == []
    return reports


def consume(consumer: Consumer, count: int, timeout_s: float = 30.0) -> list:
    found, deadline = [], time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < deadline:
        for message in consumer.consume(count - len(found), timeout=0.5):
            assert message.error() is None, message.error()
            found.append(message)
    return found


def reader(broker, group: str, **settings) -> Consumer:
    return Consumer({"bootstrap.servers": broker.kafka_addr, "group.id": group, "auto.offset.reset": "earliest",
                     **settings})


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_idempotent_producer_and_every_codec(broker, topic, group, codec):
    items = [(f"k{n}".encode(), f"v{n}".encode() * 20, [("h", b"1"), ("h", None), ("", b"")]) for n in range(500)]
    reports = produce(broker, topic, items, **{"enable.idempotence": True, "compression.type": codec})
    assert sorted(message.offset() for _, message in reports) == list(range(500))
    consumer = reader(broker, group)
    consumer.subscribe([topic])
    found = consume(consumer, 500)
    consumer.close()
    assert [(m.key(), m.value(), m.headers()) for m in found] == items


def test_null_is_not_empty(broker, topic, group):
    produce(broker, topic, [(None, None, None), (b"", b"", None)])
    consumer = reader(broker, group)
    consumer.subscribe([topic])
    assert [(m.key(), m.value()) for m in consume(consumer, 2)] == [(None, None), (b"", b"")]
    consumer.close()


def test_members_share_partitions_and_take_over(broker, group):
    broker.cli("topic", "create", "shared", "--partitions", "4")
    consumers = [reader(broker, group) for _ in range(2)]
    for consumer in consumers:
        consumer.subscribe(["shared"])
    deadline = time.monotonic() + 40
    while [len(c.assignment()) for c in consumers] != [2, 2] and time.monotonic() < deadline:
        for consumer in consumers:
            consumer.poll(0.1)
    assert [len(c.assignment()) for c in consumers] == [2, 2]
    consumers[0].close()
    while len(consumers[1].assignment()) != 4 and time.monotonic() < deadline:
        consumers[1].poll(0.1)
    assert len(consumers[1].assignment()) == 4
    consumers[1].close()


def test_commits_outlive_the_consumer(broker, topic, group):
    produce(broker, topic, [(None, str(n).encode(), None) for n in range(10)])
    consumer = reader(broker, group, **{"enable.auto.commit": False})
    consumer.subscribe([topic])
    consume(consumer, 4)
    consumer.commit(offsets=[TopicPartition(topic, 0, 4, "note")], asynchronous=False)
    consumer.close()
    again = reader(broker, group)
    committed = again.committed([TopicPartition(topic, 0)], timeout=10)
    assert (committed[0].offset, committed[0].metadata) == (4, "note")
    again.subscribe([topic])
    assert [m.value() for m in consume(again, 6)] == [str(n).encode() for n in range(4, 10)]
    again.close()


def test_watermarks_and_offsets_for_times(broker, topic, group):
    producer = Producer({"bootstrap.servers": broker.kafka_addr})
    for n in range(10):
        producer.produce(topic, str(n), timestamp=1_700_000_000_000 + n * 1000)
    producer.flush(10)
    consumer = reader(broker, group)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (0, 10)
    [found] = consumer.offsets_for_times([TopicPartition(topic, 0, 1_700_000_004_500)], timeout=10)
    assert found.offset == 5
    consumer.close()


def test_admin_creates_describes_grows_and_deletes(broker):
    admin = AdminClient({"bootstrap.servers": broker.kafka_addr})
    admin.create_topics([NewTopic("admin", 2, 1, config={"retention.ms": "86400000"})])["admin"].result(10)
    with pytest.raises(KafkaException) as again:
        admin.create_topics([NewTopic("admin", 2, 1)])["admin"].result(10)
    assert again.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    admin.create_partitions([NewPartitions("admin", 5)])["admin"].result(10)
    assert len(admin.list_topics("admin", timeout=10).topics["admin"].partitions) == 5
    resource = ConfigResource(ResourceType.TOPIC, "admin")
    configs = admin.describe_configs([resource])[resource].result(10)
    assert configs["retention.ms"].value == "86400000"
    admin.delete_topics(["admin"])["admin"].result(10)
    assert "admin" not in admin.list_topics(timeout=10).topics


def test_a_message_that_is_too_large_is_refused(broker, topic):
    broker.cli("topic", "create", topic, "--config", "max.message.bytes=1000")
    producer = Producer({"bootstrap.servers": broker.kafka_addr})
    errors = []
    producer.produce(topic, b"x" * 5000, on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert [error.code() for error in errors] == [KafkaError.MSG_SIZE_TOO_LARGE]


def wait_for(consumers: list[Consumer], condition, timeout_s: float = 60.0) -> None:
    """Polls all of them until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, [consumer.assignment() for consumer in consumers]
        for consumer in consumers:
            consumer.poll(0.1)


def assigned(consumer: Consumer) -> set[int]:
    return {partition.partition for partition in consumer.assignment()}


def test_cooperative_members_keep_what_they_have(broker, topic, group):
    broker.cli("topic", "create", topic, "--partitions", "4")
    settings = {"partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": 6000}
    revoked: list[int] = []
    first, second = (reader(broker, group, **settings) for _ in range(2))
    first.subscribe([topic], on_revoke=lambda _, partitions: revoked.extend(p.partition for p in partitions))
    wait_for([first], lambda: assigned(first) == {0, 1, 2, 3})
    second.subscribe([topic])
    wait_for([first, second], lambda: len(assigned(first)) == 2 and len(assigned(second)) == 2)
    assert assigned(first) | assigned(second) == {0, 1, 2, 3}
    # Only what moved was taken away: an eager protocol would revoke all four.
    assert set(revoked) == assigned(second) and len(revoked) == 2
    second.close()
    wait_for([first], lambda: assigned(first) == {0, 1, 2, 3})
    assert len(revoked) == 2
    first.close()


def test_a_static_member_comes_back_to_what_it_had(broker, topic, group):
    broker.cli("topic", "create", topic, "--partitions", "4")
    settings = {"session.timeout.ms": 30000}
    rebalances: list[int] = []
    first = reader(broker, group, **settings, **{"group.instance.id": "first"})
    second = reader(broker, group, **settings, **{"group.instance.id": "second"})
    first.subscribe([topic], on_assign=lambda _, partitions: rebalances.append(len(partitions)))
    second.subscribe([topic])
    wait_for([first, second], lambda: len(assigned(first)) == 2 and len(assigned(second)) == 2)
    before, had = len(rebalances), assigned(second)
    # A static member does not leave when it closes.
    second.close()
    second = reader(broker, group, **settings, **{"group.instance.id": "second"})
    second.subscribe([topic])
    wait_for([first, second], lambda: len(assigned(second)) == 2)
    assert assigned(second) == had and len(assigned(first)) == 2
    assert len(rebalances) == before, "nobody else noticed"
    # Another client by the same name takes its place, and the one before it is fenced.
    usurper = reader(broker, group, **settings, **{"group.instance.id": "second"})
    usurper.subscribe([topic])
    wait_for([first, usurper], lambda: assigned(usurper) == had)
    fenced = []
    deadline = time.monotonic() + 30
    while not fenced and time.monotonic() < deadline:
        try:
            message = second.poll(0.2)
            fenced = [message.error()] if message is not None and message.error() else []
        except KafkaException as error:
            fenced = [error.args[0]]
        first.poll(0)
        usurper.poll(0)
    assert fenced and fenced[0].code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL), fenced
    for consumer in (first, usurper, second):
        consumer.close()
