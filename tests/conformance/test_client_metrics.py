"""Metrics that Kafka's own clients push (KIP-714), set up with Kafka's own tool."""

import time

from confluent_kafka import Producer
from conftest import kafka_tool

TOOL = "org.apache.kafka.tools.ClientMetricsCommand"


def client_metrics(broker, *arguments: str) -> str:
    return kafka_tool(TOOL, "--bootstrap-server", broker.kafka_addr, *arguments)


def pushed(broker, label: str) -> list[str]:
    return [line for line in broker.http("/metrics/clients").splitlines() if label in line]


def test_a_subscription_is_made_shown_and_removed(broker):
    client_metrics(broker, "--alter", "--name", "shown", "--metrics", "a.,b.", "--interval", "2000",
                   "--match", "client_id=.*,client_source_port=1.*")
    described = client_metrics(broker, "--describe", "--name", "shown")
    for config in ["interval.ms=2000", "match=client_id=.*,client_source_port=1.*", "metrics=a.,b."]:
        assert f"  {config}\n" in described
    assert client_metrics(broker, "--list").split() == ["shown"]
    client_metrics(broker, "--delete", "--name", "shown")
    assert client_metrics(broker, "--list").split() == []


def test_the_java_client_pushes(broker, topic):
    client_metrics(broker, "--alter", "--name", "java", "--metrics", "org.apache.kafka.producer.", "--interval", "500",
                   "--match", "client_software_name=apache-kafka-java")
    kafka_tool("org.apache.kafka.tools.VerifiableProducer", "--bootstrap-server", broker.kafka_addr, "--topic", topic,
               "--max-messages", "100", "--throughput", "25")
    lines = pushed(broker, 'client_software_name="apache-kafka-java"')
    assert any(line.startswith("org_apache_kafka_producer_connection_creation_total{") for line in lines), lines
    assert all('client_id="producer-' in line for line in lines)
    assert broker.metric("tidemill_client_metrics_pushes_total") >= 2
    client_metrics(broker, "--delete", "--name", "java")


def test_librdkafka_pushes(broker, topic):
    client_metrics(broker, "--alter", "--name", "c", "--metrics", "*", "--interval", "500", "--match", "client_id=c-.*")
    producer = Producer({"bootstrap.servers": broker.kafka_addr, "client.id": "c-1", "enable.metrics.push": True})
    deadline = time.monotonic() + 30
    while not (lines := pushed(broker, 'client_id="c-1"')):
        assert time.monotonic() < deadline, broker.http("/metrics/clients")
        producer.produce(topic, b"value")
        producer.poll(0.2)
    assert any(line.startswith("org_apache_kafka_producer_") for line in lines), lines
    producer.flush(30)
