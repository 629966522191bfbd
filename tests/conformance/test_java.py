"""Kafka's own Java client with its defaults, through its command line tools."""

import json

from conftest import kafka_tool

TOOLS = "org.apache.kafka.tools"


def test_console_producer_and_consumer(broker, topic, group):
    text = "".join(f"k{n}\tline {n} ☃\n" for n in range(500))
    kafka_tool(f"{TOOLS}.ConsoleProducer", "--bootstrap-server", broker.kafka_addr, "--topic", topic,
               "--reader-property", "parse.key=true", stdin=text)
    out = kafka_tool(f"{TOOLS}.consumer.ConsoleConsumer", "--bootstrap-server", broker.kafka_addr, "--topic", topic,
                     "--from-beginning", "--max-messages", "500", "--group", group, "--timeout-ms", "60000",
                     "--formatter-property", "print.key=true")
    assert out == text
    described = kafka_tool(f"{TOOLS}.consumer.group.ConsumerGroupCommand", "--bootstrap-server", broker.kafka_addr,
                           "--describe", "--group", group)
    row = next(line.split() for line in described.splitlines() if topic in line.split())
    # GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG
    assert row[:6] == [group, topic, "0", "500", "500", "0"], described


def test_topics_tool(broker):
    server = ["--bootstrap-server", broker.kafka_addr]
    kafka_tool(f"{TOOLS}.TopicCommand", *server, "--create", "--topic", "java.topic", "--partitions", "3",
               "--config", "retention.ms=3600000")
    assert "java.topic" in kafka_tool(f"{TOOLS}.TopicCommand", *server, "--list").split()
    described = kafka_tool(f"{TOOLS}.TopicCommand", *server, "--describe", "--topic", "java.topic")
    assert "PartitionCount: 3" in described and "retention.ms=3600000" in described
    kafka_tool(f"{TOOLS}.TopicCommand", *server, "--alter", "--topic", "java.topic", "--partitions", "5")
    assert "PartitionCount: 5" in kafka_tool(f"{TOOLS}.TopicCommand", *server, "--describe", "--topic", "java.topic")
    kafka_tool(f"{TOOLS}.TopicCommand", *server, "--delete", "--topic", "java.topic")
    assert "java.topic" not in kafka_tool(f"{TOOLS}.TopicCommand", *server, "--list").split()


def test_verifiable_producer_is_acknowledged(broker, topic):
    out = kafka_tool(f"{TOOLS}.VerifiableProducer", "--bootstrap-server", broker.kafka_addr, "--topic", topic,
                     "--max-messages", "1000", "--acks", "-1")
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    summary = next(event for event in events if event["name"] == "tool_data")
    assert (summary["sent"], summary["acked"]) == (1000, 1000)
    offsets = kafka_tool(f"{TOOLS}.GetOffsetShell", "--bootstrap-server", broker.kafka_addr, "--topic", topic)
    assert offsets.split() == [f"{topic}:0:1000"]
