"""Starts and stops a real Tidemill broker, for the demo, conformance tests and measurements."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary() -> Path:
    """The built `tidemill`, from $BROKER_BINARY or the build folder; the newest if there are several."""
    if "BROKER_BINARY" in os.environ:
        return Path(os.environ["BROKER_BINARY"])
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for profile in ("debug", "release") if (path := target / profile / "tidemill").exists()]
    if not built:
        raise SystemExit(f"no tidemill in {target}: run scripts/build.sh first")
    return max(built, key=lambda path: path.stat().st_mtime)


class Broker:
    """One broker process over a data directory that outlives it."""

    def __init__(self, data_dir: Path, object_store: str | None = None, settings: dict[str, str] | None = None,
                 environment: dict[str, str] | None = None):
        self.data_dir = Path(data_dir)
        self.object_store = object_store
        self.settings = settings or {}
        self.environment = environment or {}
        self.kafka_addr = f"127.0.0.1:{free_port()}"
        self.http_addr = f"127.0.0.1:{free_port()}"
        self.log_path = self.data_dir.parent / f"{self.data_dir.name}.log"
        self.process: subprocess.Popen | None = None

    def start(self, timeout_s: float = 60.0) -> float:
        """Starts the broker and waits until it is ready; answers the seconds that took."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        command = [str(binary()), "serve", "--data-dir", str(self.data_dir), "--kafka-addr", self.kafka_addr,
                   "--http-addr", self.http_addr]
        if self.object_store:
            command += ["--object-store", self.object_store]
        if self.settings:
            config = self.data_dir.parent / f"{self.data_dir.name}.toml"
            config.write_text("".join(f'"{name}" = "{value}"\n' for name, value in self.settings.items()))
            command += ["--config", str(config)]
        started = time.monotonic()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | self.environment)
        while time.monotonic() - started < timeout_s:
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended with {self.process.returncode}:\n{self.log_tail()}")
            try:
                with urllib.request.urlopen(f"http://{self.http_addr}/health/ready", timeout=1):
                    return time.monotonic() - started
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"the broker was not ready after {timeout_s} s:\n{self.log_tail()}")

    def stop(self, how: int = signal.SIGTERM, timeout_s: float = 60.0) -> None:
        """Ends the broker and waits for it."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"the broker did not end within {timeout_s} s:\n{self.log_tail()}") from None
        self.process = None

    def kill(self) -> None:
        """`kill -9`: nothing is flushed, nothing is said."""
        self.stop(signal.SIGKILL)

    def restart(self) -> float:
        """Stops and starts; answers the seconds until ready."""
        self.stop()
        return self.start()

    def cli(self, *arguments: str, json_output: bool = False):
        """Runs a `tidemill` client command against this broker."""
        command = [str(binary()), *arguments]
        if json_output:
            command.append("--json")
        environment = os.environ | {"TIDEMILL_HTTP_ADDR": self.http_addr, "TIDEMILL_KAFKA_ADDR": self.kafka_addr}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"tidemill {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout) if json_output else done.stdout

    def http(self, path: str) -> str:
        """What the HTTP server answers to a GET."""
        with urllib.request.urlopen(f"http://{self.http_addr}{path}", timeout=10) as answer:
            return answer.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over the series that carry all of `labels`."""
        total = 0.0
        for line in self.http("/metrics").splitlines():
            series, _, value = line.rpartition(" ")
            if series.split("{")[0] == name and all(f'{key}="{wanted}"' in series for key, wanted in labels.items()):
                total += float(value)
        return total

    def archive_files(self, topic: str) -> list[str]:
        """Addresses of the live objects of a topic."""
        statuses = self.cli("archive", "status", topic, "--files", json_output=True)
        return [item["location"] for status in statuses for part in status["partitions"]
                for item in part.get("objects", [])]

    def log_tail(self, lines: int = 40) -> str:
        """The end of the broker's log."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> "Broker":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
