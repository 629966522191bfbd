"""Transactions with real clients: librdkafka, the Java client, Kafka's own tool, Kafka Streams."""

import os
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from conftest import kafka_tool, run
from java_process import JavaProcess
from test_confluent import produce as produce_plainly


def transactional(broker, name: str, **settings) -> Producer:
    return Producer({"bootstrap.servers": broker.kafka_addr, "transactional.id": name, "linger.ms": 5, **settings})


def read(broker, topic: str, isolation: str) -> list[str]:
    """Everything that a consumer of this isolation level sees of a topic with one partition."""
    consumer = Consumer({"bootstrap.servers": broker.kafka_addr, "group.id": "reads", "isolation.level": isolation,
                         "enable.auto.commit": False, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values, deadline = [], time.monotonic() + 30
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            consumer.close()
            return values
        values.append(message.value().decode())
    raise AssertionError(f"no end of {topic}: {values}")


def write(producer: Producer, topic: str, values: list[str]) -> None:
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(10) == 0


def test_committed_and_aborted_hot_and_archived(broker, topic):
    broker.cli("topic", "create", topic, "--partitions", "1")
    producer = transactional(broker, f"tx-{topic}")
    producer.init_transactions(30)
    committed, everything = [], []
    for round_ in range(6):
        values = [f"{round_}-{n}" for n in range(20)]
        producer.begin_transaction()
        write(producer, topic, values)
        everything += values
        if round_ % 3 == 1:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            committed += values
    produce_plainly(broker, topic, [(None, b"plain", None)])
    committed.append("plain")
    everything.append("plain")
    assert read(broker, topic, "read_committed") == committed
    assert read(broker, topic, "read_uncommitted") == everything
    broker.cli("archive", "seal", topic, "--wait")
    assert read(broker, topic, "read_committed") == committed
    assert read(broker, topic, "read_uncommitted") == everything
    assert "81 rows" in broker.cli("archive", "verify", topic)
    broker.kill()
    broker.start()
    assert read(broker, topic, "read_committed") == committed
    assert read(broker, topic, "read_uncommitted") == everything
    producer.begin_transaction()
    write(producer, topic, ["after"])
    assert read(broker, topic, "read_committed") == committed
    producer.commit_transaction(30)
    assert read(broker, topic, "read_committed") == [*committed, "after"]


def test_a_new_producer_fences_the_old_one(broker, topic):
    broker.cli("topic", "create", topic, "--partitions", "1")
    old, new = (transactional(broker, f"tx-{topic}") for _ in range(2))
    old.init_transactions(30)
    old.begin_transaction()
    write(old, topic, ["lost"])
    new.init_transactions(30)
    new.begin_transaction()
    write(new, topic, ["kept"])
    with pytest.raises(KafkaException) as fenced:
        old.commit_transaction(30)
    assert fenced.value.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED)
    new.commit_transaction(30)
    assert read(broker, topic, "read_committed") == ["kept"]


def test_offsets_go_with_the_transaction(broker, topic, group):
    for name in (topic, f"{topic}.out"):
        broker.cli("topic", "create", name, "--partitions", "1")
    produce_plainly(broker, topic, [(None, str(n).encode(), None) for n in range(10)])
    consumer = Consumer({"bootstrap.servers": broker.kafka_addr, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "isolation.level": "read_committed"})
    consumer.subscribe([topic])
    producer = transactional(broker, f"tx-{topic}")
    producer.init_transactions(30)

    def copy(count: int, commit: bool) -> None:
        producer.begin_transaction()
        values = []
        while len(values) < count:
            values += [m.value().decode() for m in consumer.consume(count - len(values), 1.0)]
        write(producer, f"{topic}.out", values)
        producer.send_offsets_to_transaction(consumer.position(consumer.assignment()),
                                             consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)

    def committed() -> int:
        return consumer.committed([TopicPartition(topic, 0)], 10)[0].offset

    copy(4, commit=True)
    assert committed() == 4
    copy(3, commit=False)
    assert committed() == 4
    consumer.seek(TopicPartition(topic, 0, 4))
    copy(6, commit=True)
    assert committed() == 10
    consumer.close()
    assert read(broker, f"{topic}.out", "read_committed") == [str(n) for n in range(10)]


def tool(broker, *arguments: str) -> str:
    return kafka_tool("org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", broker.kafka_addr, *arguments)


def test_kafka_transactions_lists_describes_and_aborts(broker, topic):
    broker.cli("topic", "create", topic, "--partitions", "1")
    name = f"tx-{topic}"
    producer = transactional(broker, name)
    producer.init_transactions(30)
    producer.begin_transaction()
    write(producer, topic, ["open"])
    listed = next(line for line in tool(broker, "list").splitlines() if name in line)
    assert "Ongoing" in listed
    assert name in tool(broker, "list", "--transactional-id-pattern", "tx-.*")
    assert name not in tool(broker, "list", "--transactional-id-pattern", "nobody.*")
    described = tool(broker, "describe", "--transactional-id", name)
    assert "Ongoing" in described and f"{topic}-0" in described
    producers = tool(broker, "describe-producers", "--topic", topic, "--partition", "0").splitlines()
    # Producer id, epoch, last sequence, last timestamp, coordinator epoch, start offset.
    state = producers[1].split()
    assert (state[1], state[5]) == ("0", "0"), producers
    hanging = tool(broker, "find-hanging", "--topic", topic, "--max-transaction-timeout", "0")
    assert name not in hanging
    tool(broker, "abort", "--topic", topic, "--partition", "0", "--start-offset", "0")
    assert read(broker, topic, "read_committed") == []
    assert read(broker, topic, "read_uncommitted") == ["open"]


def java(tmp_path, number: int, *arguments: str) -> JavaProcess:
    return JavaProcess(os.environ["STREAMS_CLASS_PATH"], tmp_path / f"copier-{number}.log", "TransactionalCopier", *arguments)


def test_a_java_copier_copies_exactly_once(broker, topic, group, tmp_path):
    for name in (topic, f"{topic}.out"):
        broker.cli("topic", "create", name, "--partitions", "1")
    values = [str(n) for n in range(700)]
    produce_plainly(broker, topic, [(None, value.encode(), None) for value in values])
    copier = java(tmp_path, 0, broker.kafka_addr, topic, f"{topic}.out", group, f"tx-{topic}", "700")
    copier.wait_until(lambda: "copied" in copier.tail(), "copied")
    assert read(broker, f"{topic}.out", "read_committed") == values
    assert len(read(broker, f"{topic}.out", "read_uncommitted")) > len(values), "some of it was aborted"
    broker.cli("archive", "seal", f"{topic}.out", "--wait")
    assert read(broker, f"{topic}.out", "read_committed") == values


def test_open_transactions_of_the_broker_are_known_to_kcat(broker, topic):
    """A consumer that knows nothing of transactions gets on with control batches."""
    broker.cli("topic", "create", topic, "--partitions", "1")
    producer = transactional(broker, f"tx-{topic}")
    producer.init_transactions(30)
    for value in ("a", "b"):
        producer.begin_transaction()
        write(producer, topic, [value])
        producer.commit_transaction(30)
    output = run("kcat", "-b", broker.kafka_addr, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%o:%s\\n")
    assert output.split() == ["0:a", "2:b"]
