"""MirrorMaker 2 between a real Kafka and Tidemill, in both directions: records, configs, group offsets."""

import os

from confluent_kafka import Consumer, Producer, TopicPartition
from conftest import kafka_tool, run
from java_process import JavaProcess
from kafka_process import Kafka

TOOLS = "org.apache.kafka.tools"
COUNT = 500


def fill(address: str, topic: str) -> None:
    """Two partitions, a config of its own, keys, headers, a null value, every codec."""
    kafka_tool(f"{TOOLS}.TopicCommand", "--bootstrap-server", address, "--create", "--topic", topic, "--partitions", "2",
               "--replication-factor", "1", "--config", "retention.ms=86400000", "--config", "max.message.bytes=500000")
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        producer = Producer({"bootstrap.servers": address, "compression.type": codec})
        for n in range(COUNT // 5):
            value = None if n == 7 else f"{codec} value {n} ☃"
            producer.produce(topic, value, f"{codec}{n}", headers=[("a", str(n)), ("a", "again")])
        assert producer.flush(30) == 0


def read(address: str, topic: str) -> list[tuple]:
    """Everything a consumer can see of the topic's records but their offsets, by partition in order."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "nobody", "enable.auto.commit": False,
                         "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in (0, 1)])
    records, ended = [], set()
    while len(ended) < 2:
        message = consumer.poll(30)
        assert message is not None, f"{topic} of {address} does not end"
        if message.error():
            ended.add(message.partition())
        else:
            records.append((message.partition(), message.key(), message.value(), message.headers(), message.timestamp()))
    consumer.close()
    return sorted(records, key=lambda record: record[0])


def consume_all(address: str, topic: str, group: str) -> None:
    """A group reads the topic to its end and commits. MirrorMaker translates an offset in the middle only where it kept
    one of its sync points near; the end of a partition it can always translate."""
    run("kcat", "-b", address, "-G", group, "-X", "auto.offset.reset=earliest", "-c", str(COUNT), "-q", topic)


def committed(address: str, topic: str, group: str) -> int:
    """The sum of the group's offsets on the topic."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": group})
    offsets = consumer.committed([TopicPartition(topic, partition) for partition in (0, 1)], 20)
    consumer.close()
    return sum(max(part.offset, 0) for part in offsets)


def mirror_maker(folder, kafka: str, tidemill: str) -> JavaProcess:
    values = {
        "clusters": "kafka,tidemill", "kafka.bootstrap.servers": kafka, "tidemill.bootstrap.servers": tidemill,
        "kafka->tidemill.enabled": "true", "kafka->tidemill.topics": "orders",
        "tidemill->kafka.enabled": "true", "tidemill->kafka.topics": "returns",
        "replication.factor": "1", "checkpoints.topic.replication.factor": "1",
        "heartbeats.topic.replication.factor": "1", "offset-syncs.topic.replication.factor": "1",
        "offset.storage.replication.factor": "1", "status.storage.replication.factor": "1",
        "config.storage.replication.factor": "1", "sync.topic.configs.enabled": "true",
        "sync.topic.configs.interval.seconds": "2", "refresh.topics.interval.seconds": "2",
        "refresh.groups.interval.seconds": "2", "sync.group.offsets.enabled": "true",
        "sync.group.offsets.interval.seconds": "1", "emit.checkpoints.interval.seconds": "1",
        "emit.heartbeats.interval.seconds": "1", "offset.lag.max": "0", "sync.topic.acls.enabled": "false",
        "dedicated.mode.enable.internal.rest": "false",
    }
    path = folder / "mm2.properties"
    path.write_text("".join(f"{name} = {value}\n" for name, value in values.items()))
    return JavaProcess(f"{os.environ['KAFKA_LIBS']}/*", folder / "mm2.log",
                       "org.apache.kafka.connect.mirror.MirrorMaker", str(path))


def test_records_configs_and_offsets_move_there_and_back(broker, tmp_path):
    with Kafka(tmp_path / "kafka", os.environ["KAFKA_LIBS"]) as kafka:
        ways = [(kafka.kafka_addr, "orders", broker.kafka_addr, "kafka.orders"),
                (broker.kafka_addr, "returns", kafka.kafka_addr, "tidemill.returns")]
        for source, topic, _, _ in ways:
            fill(source, topic)
        with mirror_maker(tmp_path, kafka.kafka_addr, broker.kafka_addr) as mirror:
            for source, topic, target, copy in ways:
                expected = read(source, topic)
                assert len(expected) == COUNT
                mirror.wait_until(lambda: f'"{copy}"' in run("kcat", "-b", target, "-L"), f"the creation of {copy}")
                mirror.wait_until(lambda: read(target, copy) == expected, f"the copy of {topic}")
                consume_all(source, topic, f"readers-of-{topic}")
                mirror.wait_until(lambda: committed(target, copy, f"readers-of-{topic}") == COUNT,
                                  f"the translation of the offsets in {topic}")
                configs = kafka_tool(f"{TOOLS}.TopicCommand", "--bootstrap-server", target, "--describe", "--topic", copy)
                assert "retention.ms=86400000" in configs and "max.message.bytes=500000" in configs, configs
