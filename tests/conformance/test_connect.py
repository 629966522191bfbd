"""Kafka Connect, standalone, with its file source and file sink."""

import os
from pathlib import Path

from java_process import JavaProcess
from tidemill_process import free_port

CONNECTORS = "org.apache.kafka.connect.file"
STRING = "org.apache.kafka.connect.storage.StringConverter"


def properties(path: Path, values: dict[str, str]) -> str:
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return str(path)


def worker(broker, folder: Path, topic: str) -> JavaProcess:
    """A worker that copies folder/in.txt to the topic, and the topic to folder/out.txt."""
    files = [
        properties(folder / "worker.properties", {
            "bootstrap.servers": broker.kafka_addr, "key.converter": STRING, "value.converter": STRING,
            "offset.storage.file.filename": str(folder / "offsets"), "offset.flush.interval.ms": "500",
            "listeners": f"http://127.0.0.1:{free_port()}", "plugin.discovery": "service_load"}),
        properties(folder / "source.properties", {
            "name": f"source-{topic}", "connector.class": f"{CONNECTORS}.FileStreamSourceConnector", "tasks.max": "1",
            "file": str(folder / "in.txt"), "topic": topic}),
        properties(folder / "sink.properties", {
            "name": f"sink-{topic}", "connector.class": f"{CONNECTORS}.FileStreamSinkConnector", "tasks.max": "1",
            "file": str(folder / "out.txt"), "topics": topic}),
    ]
    return JavaProcess(f"{os.environ['KAFKA_LIBS']}/*", folder / "connect.log",
                       "org.apache.kafka.connect.cli.ConnectStandalone", *files)


def test_a_file_goes_through_a_topic_into_a_file(broker, topic, tmp_path):
    # The file source counts characters and seeks by bytes, so anything but ASCII would be read twice.
    text = "".join(f"line {n}\n" for n in range(300))
    (tmp_path / "in.txt").write_text(text)
    out = tmp_path / "out.txt"
    with worker(broker, tmp_path, topic) as connect:
        connect.wait_until(lambda: out.exists() and out.read_text() == text, "the copy")
        with open(tmp_path / "in.txt", "a") as more:
            more.write("and one more\n")
        connect.wait_until(lambda: out.read_text() == text + "and one more\n", "the copy of a line that came later")
    # A new worker goes on where the last one stopped, on both sides.
    with open(tmp_path / "in.txt", "a") as more:
        more.write("after a restart\n")
    with worker(broker, tmp_path, topic) as connect:
        expected = text + "and one more\nafter a restart\n"
        connect.wait_until(lambda: out.read_text() == expected, "the copy after a restart")
