"""The archive: analytics tools read it, consumers are served from it, and both see what was sent."""

import random
import time

import duckdb
import pyarrow.parquet
from confluent_kafka import Consumer, Producer, TopicPartition


def send(broker, topic: str, count: int) -> list:
    """Records with nulls, empty values, repeated headers and bytes that are no text."""
    chance = random.Random(7)
    producer = Producer({"bootstrap.servers": broker.kafka_addr, "compression.type": "zstd", "linger.ms": 10})
    sent = []
    # Recent, or retention would delete them.
    first = int(time.time() * 1000) - 3_600_000
    for n in range(count):
        key = chance.choice([None, b"", f"key {n}".encode()])
        value = chance.choice([None, b"", f"wert {n} ☃".encode(), bytes([n % 256, 255, 0])])
        headers = chance.choice([None, [("h", b"1"), ("h", b"2")], [("n", None), ("", b"")]])
        timestamp = first + n
        producer.produce(topic, value, key, 0, timestamp=timestamp, headers=headers)
        producer.poll(0)
        sent.append((n, timestamp, key, value, headers))
    producer.flush(30)
    return sent


def receive(broker, topic: str, count: int, offset: int = 0) -> list:
    consumer = Consumer({"bootstrap.servers": broker.kafka_addr, "group.id": "nobody", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, offset)])
    found = []
    for _ in range(60):
        if len(found) >= count:
            break
        found += consumer.consume(count - len(found), timeout=1.0)
    consumer.close()
    return [(m.offset(), m.timestamp()[1], m.key(), m.value(), m.headers()) for m in found]


def test_hot_archived_and_queried_are_the_same(broker, topic):
    sent = send(broker, topic, 3000)
    assert receive(broker, topic, 3000) == sent
    broker.cli("archive", "seal", topic, "--wait")
    files = broker.archive_files(topic)
    assert files

    rows = duckdb.sql("select \"offset\", epoch_ms(\"timestamp\"), key, value, headers "
                      "from read_parquet($files) order by \"offset\"", params={"files": files}).fetchall()
    as_sent = [(offset, timestamp, key, value,
                [(header["key"], header["value"]) for header in headers] if headers else None)
               for offset, timestamp, key, value, headers in rows]
    assert as_sent == sent
    assert sum(pyarrow.parquet.read_table(file).num_rows for file in files) == 3000

    broker.restart()
    assert receive(broker, topic, 3000) == sent
    assert broker.metric("tidemill_fetch_bytes_total", topic=topic, source="hot") == 0
    assert receive(broker, topic, 10, offset=1234) == sent[1234:1244]
    assert "3000 rows" in broker.cli("archive", "verify", topic)


def test_a_topic_goes_on_behind_its_archive(broker, topic):
    first = send(broker, topic, 500)
    broker.cli("archive", "seal", topic, "--wait")
    send(broker, topic, 500)
    found = receive(broker, topic, 1000)
    assert [row[0] for row in found] == list(range(1000))
    assert found[:500] == first
    [status] = broker.cli("archive", "status", topic, json_output=True)
    assert status["partitions"][0]["archived_end"] == 500
