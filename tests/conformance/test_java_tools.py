"""Kafka's own measuring and verifying programs."""

import json
import re
import time

import pytest
from confluent_kafka import Producer
from conftest import kafka_tool

TOOLS = "org.apache.kafka.tools"


def events(output: str, name: str) -> list[dict]:
    parsed = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [event for event in parsed if event["name"] == name]


def test_verifiable_producer_and_consumer_agree(broker, topic, group):
    server = ["--bootstrap-server", broker.kafka_addr, "--topic", topic]
    broker.cli("topic", "create", topic, "--partitions", "3")
    produced = kafka_tool(f"{TOOLS}.VerifiableProducer", *server, "--max-messages", "3000", "--value-prefix", "7")
    acked = {(event["partition"], event["offset"]): event["value"] for event in events(produced, "producer_send_success")}
    assert len(acked) == 3000
    consumed = kafka_tool(f"{TOOLS}.VerifiableConsumer", *server, "--group-id", group, "--max-messages", "3000",
                          "--verbose")
    read = {(event["partition"], event["offset"]): event["value"] for event in events(consumed, "record_data")}
    assert read == acked
    committed = [event for event in events(consumed, "offsets_committed") if event["success"]]
    offsets = {part["partition"]: part["offset"] for event in committed for part in event["offsets"]}
    assert sum(offsets.values()) == 3000


@pytest.fixture(scope="module")
def half_archived(broker) -> str:
    """A topic of five records, three of them in the archive and the third with the latest time."""
    producer = Producer({"bootstrap.servers": broker.kafka_addr})
    now = int(time.time() * 1000)
    for group in ([0, 1, 9], [3, 4]):
        for delta in group:
            producer.produce("half.archived", "value", timestamp=now + delta)
            assert producer.flush(30) == 0
        if len(group) == 3:
            broker.cli("archive", "seal", "half.archived", "--wait")
    return "half.archived"


@pytest.mark.parametrize(("when", "offset"), [("earliest", 0), ("latest", 5), ("max-timestamp", 2),
                                              ("earliest-local", 3), ("latest-tiered", 2)])
def test_offsets_by_special_time(broker, half_archived, when, offset):
    printed = kafka_tool(f"{TOOLS}.GetOffsetShell", "--bootstrap-server", broker.kafka_addr, "--topic", half_archived,
                         "--time", when)
    assert printed.split() == [f"{half_archived}:0:{offset}"]


def test_perf_tools_move_what_they_were_told_to(broker, topic):
    produced = kafka_tool(f"{TOOLS}.ProducerPerformance", "--topic", topic, "--num-records", "50000", "--record-size",
                          "200", "--throughput", "-1", "--bootstrap-server", broker.kafka_addr,
                          "--command-property", "compression.type=lz4")
    assert re.search(r"^50000 records sent", produced, re.MULTILINE), produced
    consumed = kafka_tool(f"{TOOLS}.ConsumerPerformance", "--bootstrap-server", broker.kafka_addr, "--topic", topic,
                          "--num-records", "50000", "--timeout", "60000")
    # start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, …
    row = consumed.strip().splitlines()[-1].split(", ")
    assert int(row[4]) >= 50000, consumed


def test_end_to_end_latency_sees_each_of_its_records(broker, topic):
    measured = kafka_tool(f"{TOOLS}.EndToEndLatency", "--bootstrap-server", broker.kafka_addr, "--topic", topic,
                          "--num-records", "200", "--producer-acks", "all", "--record-size", "100")
    assert re.search(r"99th = \d+", measured), measured
