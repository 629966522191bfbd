"""A local HTTP receiver for the webhook sink: remembers delivery ids, so that a repeated delivery counts once."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Listens on a free loopback port and keeps what arrived."""

    def __init__(self):
        self.deliveries: dict[str, list] = {}
        self.repeated = 0
        self.lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802, the name that http.server asks for
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.take(self.headers["delivery-id"], json.loads(body))
                self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, delivery_id: str, items: list) -> None:
        with self.lock:
            if delivery_id in self.deliveries:
                self.repeated += 1
            else:
                self.deliveries[delivery_id] = items

    def items(self) -> list:
        """Everything delivered, each delivery once."""
        with self.lock:
            return [item for items in self.deliveries.values() for item in items]

    def stop(self) -> None:
        self.server.shutdown()
