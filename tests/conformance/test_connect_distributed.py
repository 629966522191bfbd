"""Kafka Connect, distributed: connectors, their positions and states live in three compacted topics."""

import json
import os
import urllib.request
from pathlib import Path

from java_process import JavaProcess
from tidemill_process import free_port

CONNECTORS = "org.apache.kafka.connect.file"
STRING = "org.apache.kafka.connect.storage.StringConverter"


class Worker(JavaProcess):
    """A worker with its REST interface."""

    def __init__(self, broker, folder: Path, group: str):
        self.rest = f"http://127.0.0.1:{free_port()}"
        values = {
            "bootstrap.servers": broker.kafka_addr, "group.id": group, "key.converter": STRING,
            "value.converter": STRING, "offset.flush.interval.ms": "500", "plugin.discovery": "service_load",
            "offset.storage.topic": f"{group}-offsets", "offset.storage.replication.factor": "1",
            "config.storage.topic": f"{group}-configs", "config.storage.replication.factor": "1",
            "status.storage.topic": f"{group}-status", "status.storage.replication.factor": "1",
            "listeners": self.rest, "scheduled.rebalance.max.delay.ms": "0",
        }
        path = folder / "worker.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        super().__init__(f"{os.environ['KAFKA_LIBS']}/*", folder / "connect.log",
                         "org.apache.kafka.connect.cli.ConnectDistributed", str(path))

    def ask(self, method: str, path: str, body: dict | None = None):
        """What the REST interface answers; None while it does not."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.rest}{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.loads(answer.read() or b"true")
        except OSError:
            return None

    def put(self, name: str, config: dict[str, str]) -> None:
        self.wait_until(lambda: self.ask("PUT", f"/connectors/{name}/config", config), f"the creation of {name}")

    def is_running(self, name: str) -> bool:
        status = self.ask("GET", f"/connectors/{name}/status")
        return bool(status and status["tasks"]) and all(task["state"] == "RUNNING" for task in status["tasks"])


def test_connectors_survive_their_worker(broker, topic, group, tmp_path):
    text = "".join(f"line {n}\n" for n in range(300))
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text(text)
    with Worker(broker, tmp_path, group) as worker:
        worker.put("source", {"connector.class": f"{CONNECTORS}.FileStreamSourceConnector", "tasks.max": "1",
                              "file": str(source), "topic": topic})
        worker.put("sink", {"connector.class": f"{CONNECTORS}.FileStreamSinkConnector", "tasks.max": "1",
                            "file": str(out), "topics": topic})
        worker.wait_until(lambda: out.exists() and out.read_text() == text, "the copy")
        worker.wait_until(lambda: worker.is_running("source") and worker.is_running("sink"), "running tasks")
    for name, partitions in (("offsets", 25), ("configs", 1), ("status", 5)):
        described = broker.cli("topic", "describe", f"{group}-{name}")
        assert "compact" in described, described
        listed = broker.cli("topic", "describe", f"{group}-{name}", json_output=True)
        assert len(listed["partitions"]) == partitions, listed
    with open(source, "a") as more:
        more.write("after a restart\n")
    # Another worker finds the connectors and where they were, and copies no line twice.
    with Worker(broker, tmp_path, group) as worker:
        worker.wait_until(lambda: out.read_text() == text + "after a restart\n", "the copy after a restart")
        worker.wait_until(lambda: worker.is_running("source") and worker.is_running("sink"), "running tasks")
        assert sorted(worker.ask("GET", "/connectors")) == ["sink", "source"]
