"""kafka-python, a client without native code."""

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_what_goes_in_comes_out(broker, topic, codec):
    producer = KafkaProducer(bootstrap_servers=broker.kafka_addr, compression_type=codec, acks="all")
    sent = [(f"k{n}".encode(), f"v{n}".encode(), [("a", b"1"), ("a", b"2")]) for n in range(200)]
    futures = [producer.send(topic, value, key, headers) for key, value, headers in sent]
    producer.flush(30)
    assert [future.get(10).offset for future in futures] == list(range(200))
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=broker.kafka_addr, consumer_timeout_ms=5000)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    found = [next(consumer) for _ in sent]
    consumer.close()
    assert [(m.key, m.value, list(m.headers)) for m in found] == sent


def test_a_group_commits(broker, topic, group):
    producer = KafkaProducer(bootstrap_servers=broker.kafka_addr)
    for n in range(50):
        producer.send(topic, str(n).encode())
    producer.flush(30)
    producer.close()
    consumer = KafkaConsumer(topic, bootstrap_servers=broker.kafka_addr, group_id=group, auto_offset_reset="earliest",
                             enable_auto_commit=False, consumer_timeout_ms=20_000)
    found = [next(consumer).value for _ in range(50)]
    consumer.commit()
    assert found == [str(n).encode() for n in range(50)]
    assert consumer.committed(TopicPartition(topic, 0)) == 50
    consumer.close()


def test_admin_lists_topics_and_groups(broker, topic):
    admin = KafkaAdminClient(bootstrap_servers=broker.kafka_addr)
    broker.cli("topic", "create", topic)
    assert topic in admin.list_topics()
    admin.close()
