#!/usr/bin/env python3
"""connections.py [COUNT]: what open connections cost the broker in memory.

Each has asked for ApiVersions and Metadata, as every client does first, and half of them wait in a fetch.
Prints resident memory before and after, and the difference per connection. Needs a built tidemill.
"""

import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "pylib"))

from tidemill_process import Broker  # noqa: E402

API_VERSIONS, METADATA, FETCH = (18, 0, b""), (3, 1, struct.pack(">i", 0)), 1


def ask(connection: socket.socket, api: int, version: int, body: bytes, answered: bool = True) -> None:
    """Sends a request, and reads its answer if there will be one now."""
    request = struct.pack(">hhih", api, version, 1, -1) + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    if answered:
        (length,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
        connection.recv(length, socket.MSG_WAITALL)


def long_poll(topic: str) -> bytes:
    """Fetch 4: replica, wait ms, min bytes, max bytes, isolation, one topic with one partition."""
    name = topic.encode()
    partition = struct.pack(">iqi", 0, 0, 1 << 20)
    return (struct.pack(">iiiib", -1, 600_000, 1, 1 << 20, 0) + struct.pack(">ih", 1, len(name)) + name
            + struct.pack(">i", 1) + partition)


def resident_kib(pid: int) -> int:
    """VmRSS of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "data") as broker:
        broker.cli("topic", "create", "t", "--partitions", "1")
        host, port = broker.kafka_addr.split(":")
        before = resident_kib(broker.process.pid)
        connections = []
        for n in range(count):
            connection = socket.create_connection((host, int(port)))
            ask(connection, *API_VERSIONS)
            ask(connection, *METADATA)
            if n % 2:
                ask(connection, FETCH, 4, long_poll("t"), answered=False)
            connections.append(connection)
        while broker.metric("tidemill_fetch_waiting") < count // 2:
            time.sleep(0.05)
        after = resident_kib(broker.process.pid)
        print(f"{count} connections, {count // 2} of them in a waiting fetch: {before} KiB before, {after} KiB after, "
              f"{(after - before) / count:.1f} KiB each")


if __name__ == "__main__":
    main()
