"""Kafka Streams: state stores, changelogs, repartition topics, restoring after the local state is lost."""

import os
import shutil
import time
from collections import Counter

import pytest
from confluent_kafka import Consumer, Producer
from conftest import run
from java_process import JavaProcess


def produce(broker, topic: str, records: list[tuple[str, str, int]]) -> None:
    producer = Producer({"bootstrap.servers": broker.kafka_addr})
    for key, value, timestamp in records:
        producer.produce(topic, value, key, timestamp=timestamp)
    assert producer.flush(30) == 0


class Latest:
    """The newest value of each key of a topic, read as it comes."""

    def __init__(self, broker, topic: str):
        self.consumer = Consumer({"bootstrap.servers": broker.kafka_addr, "group.id": f"reader-of-{topic}",
                                  "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
        self.consumer.subscribe([topic])
        self.values: dict[str, str] = {}

    def become(self, app: JavaProcess, expected: dict[str, str]) -> None:
        def ready() -> bool:
            for message in self.consumer.consume(500, 0.2):
                assert message.error() is None, message.error()
                self.values[message.key().decode()] = message.value().decode()
            return self.values == expected

        app.wait_until(ready, f"{expected} (now {self.values})")


def start(broker, tmp_path, program: str, topic: str, guarantee: str = "at_least_once") -> JavaProcess:
    arguments = [program, broker.kafka_addr, topic, f"{topic}.out", f"app-{topic}", str(tmp_path / "state"), guarantee]
    return JavaProcess(os.environ["STREAMS_CLASS_PATH"], tmp_path / "streams.log", "StreamsApp", *arguments)


@pytest.mark.parametrize(("guarantee", "loses_state"), [("at_least_once", True), ("exactly_once_v2", False)])
def test_word_count_goes_on_where_it_stopped(broker, topic, tmp_path, guarantee, loses_state):
    for name in (topic, f"{topic}.out"):
        broker.cli("topic", "create", name, "--partitions", "2")
    latest = Latest(broker, f"{topic}.out")
    counts: Counter[str] = Counter()
    for round_ in range(2):
        lines = [f"the {n % 7} and the {n % 3} of round {round_}" for n in range(200)]
        produce(broker, topic, [(str(n), line, int(time.time() * 1000)) for n, line in enumerate(lines)])
        counts.update(word for line in lines for word in line.split(" "))
        app = start(broker, tmp_path, "wordcount", topic, guarantee)
        latest.become(app, {word: str(count) for word, count in counts.items()})
        assert app.end_input() == 0 and "\nclosed" in "\n" + app.tail(), app.tail()
        if loses_state:
            # The next round has to restore the store from the changelog topic.
            shutil.rmtree(tmp_path / "state")
    latest.consumer.close()
    configs = run("kcat", "-b", broker.kafka_addr, "-L")
    assert f"app-{topic}-KSTREAM-AGGREGATE-STATE-STORE" in configs and "-repartition" in configs
    changelog = next(line for line in broker.cli("topic", "list").split() if line.endswith("-changelog") and topic in line)
    assert "compact" in broker.cli("topic", "describe", changelog)


def test_windows_are_aggregated_by_event_time(broker, topic, tmp_path):
    for name in (topic, f"{topic}.out"):
        broker.cli("topic", "create", name, "--partitions", "1")
    base = int(time.time() * 1000) // 10_000 * 10_000 - 60_000
    events = [(f"key{n % 2}", chr(ord("a") + n), base + n * 2_500) for n in range(20)]
    # Later than its window: without grace it counts for nothing.
    produce(broker, topic, [*events, ("key0", "LATE", base)])
    expected: dict[str, str] = {}
    for key, value, timestamp in events:
        window = f"{key}@{timestamp // 10_000 * 10_000}"
        expected[window] = expected.get(window, "") + value
    latest = Latest(broker, f"{topic}.out")
    with start(broker, tmp_path, "windows", topic) as app:
        latest.become(app, expected)
    latest.consumer.close()
