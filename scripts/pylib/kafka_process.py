"""Starts and stops a real Apache Kafka (one node, KRaft) from its Maven artifacts."""

import os
import subprocess
from pathlib import Path

from java_process import JavaProcess
from tidemill_process import free_port

# Any 16 bytes in base64.
CLUSTER_ID = "TidemillMirrorPeer000A"


class Kafka:
    """One Kafka broker over a folder of its own."""

    def __init__(self, folder: Path, libs: str, settings: dict[str, str] | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.class_path = folder, f"{libs}/*"
        self.kafka_addr = f"127.0.0.1:{free_port()}"
        controller = f"127.0.0.1:{free_port()}"
        values = {
            "process.roles": "broker,controller", "node.id": "1", "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.kafka_addr},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.kafka_addr}", "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(folder / "logs"), "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1", "group.initial.rebalance.delay.ms": "0",
            "transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
        } | (settings or {})
        self.properties = folder / "server.properties"
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        self.process: JavaProcess | None = None

    def __enter__(self) -> "Kafka":
        subprocess.run(["java", "-cp", self.class_path, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c",
                        str(self.properties)], check=True, capture_output=True, env=os.environ, timeout=120)
        self.process = JavaProcess(self.class_path, self.folder / "kafka.log", "kafka.Kafka", str(self.properties))
        self.process.wait_until(self.serves, "Kafka's start")
        return self

    def serves(self) -> bool:
        """Whether a client gets an answer."""
        asked = subprocess.run(["kcat", "-b", self.kafka_addr, "-L", "-m", "2"], capture_output=True, check=False)
        return asked.returncode == 0 and b" 1 brokers" in asked.stdout

    def __exit__(self, *_: object) -> None:
        self.process.stop()
