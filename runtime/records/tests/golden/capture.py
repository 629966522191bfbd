"""Captures the record batches that real Kafka clients send, one file per client and codec.

    pip install kafka-python==3.0.12 confluent-kafka==2.16.1 lz4==4.4.5 python-snappy==0.7.3 zstandard==0.25.0
    mvn -q dependency:copy-dependencies -DoutputDirectory=/tmp/libs
    python capture.py /tmp/libs

A minimal broker answers just enough for the clients to send a Produce request; the records field
of the first one for each topic is written to `<client>-<codec>.bin`. Topics are named so. Without
the folder of jars the Java client is left out. `records.json` is what every client is given; a
number as a value stands for that many generated lines.
"""

import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).parent
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PRODUCE, FETCH, METADATA, FIND_COORDINATOR, API_VERSIONS, INIT_PRODUCER_ID = 0, 1, 3, 10, 18, 22
VERSIONS = {PRODUCE: (0, 7), FETCH: (0, 11), METADATA: (0, 4), FIND_COORDINATOR: (0, 2),
            API_VERSIONS: (0, 0), INIT_PRODUCER_ID: (0, 1)}
UNSUPPORTED_VERSION = 35
PRODUCER_ID = 4000


def string(text):
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text)) + text.encode()


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0]

    def bytes(self, form):
        length = self.take(form)
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length:self.at]


def api_versions(error):
    keys = b"".join(struct.pack(">hhh", key, *span) for key, span in VERSIONS.items())
    return struct.pack(">hi", error, len(VERSIONS)) + keys


def metadata(request, version, port):
    count = request.take("i")
    topics = [request.bytes("h").decode() for _ in range(max(count, 0))]
    out = struct.pack(">i", 0) if version >= 3 else b""
    out += struct.pack(">ii", 1, 1) + string("127.0.0.1") + struct.pack(">i", port) + string(None)
    out += string("golden") if version >= 2 else b""
    out += struct.pack(">ii", 1, len(topics))
    for topic in topics:
        out += struct.pack(">h", 0) + string(topic) + struct.pack(">bi", 0, 1)
        out += struct.pack(">hii", 0, 0, 1) + struct.pack(">ii", 1, 1) * 2
    return out


def produce(request):
    request.bytes("h")
    request.take("h"), request.take("i")
    out = b""
    topics = request.take("i")
    for _ in range(topics):
        topic = request.bytes("h").decode()
        partitions = request.take("i")
        out += string(topic) + struct.pack(">i", partitions)
        for _ in range(partitions):
            partition, records = request.take("i"), request.bytes("i")
            target = HERE / f"{topic}.bin"
            if not target.exists():
                target.write_bytes(records)
            out += struct.pack(">ihqqq", partition, 0, 0, -1, 0)
    return struct.pack(">i", topics) + out + struct.pack(">i", 0)


def answer(data, port):
    request = Reader(data)
    key, version, correlation = request.take("h"), request.take("h"), request.take("i")
    request.bytes("h")
    head = struct.pack(">i", correlation)
    if key == API_VERSIONS:
        return head + api_versions(UNSUPPORTED_VERSION if version > 0 else 0)
    if key == METADATA:
        return head + metadata(request, version, port)
    if key == INIT_PRODUCER_ID:
        return head + struct.pack(">ihqh", 0, 0, PRODUCER_ID, 0)
    if key == PRODUCE:
        return head + produce(request)
    raise ValueError(f"no answer for api {key} version {version}")


def exactly(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def serve(connection, port):
    try:
        while True:
            (length,) = struct.unpack(">i", exactly(connection, 4))
            reply = answer(exactly(connection, length), port)
            connection.sendall(struct.pack(">i", len(reply)) + reply)
    except (EOFError, ConnectionError):
        connection.close()


def listen():
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]

    def accept():
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection, port), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return port


def encode(text):
    if isinstance(text, int):
        text = "".join(f"line {line} of a compressible value\n" for line in range(text))
    return None if text is None else text.encode()


def records():
    for record in json.loads((HERE / "records.json").read_text()):
        headers = [(name, encode(value)) for name, value in record["headers"]]
        yield record["timestamp"], encode(record["key"]), encode(record["value"]), headers


def confluent(bootstrap, codec):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 500,
                         "compression.level": -1})
    for timestamp, key, value, headers in records():
        producer.produce(f"confluent-{codec}", value, key, partition=0, timestamp=timestamp, headers=headers)
    assert producer.flush(10) == 0


def kafka_python(bootstrap, codec):
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec,
                             linger_ms=500, batch_size=1 << 20)
    sent = []
    for timestamp, key, value, headers in records():
        headers = [header for header in headers if header[1] is not None]  # it knows no null there
        sent.append(producer.send(f"kafka-python-{codec}", value, key, headers, 0, timestamp))
    for future in sent:
        future.get(10)
    producer.close()


def main():
    for old in HERE.glob("*.bin"):
        old.unlink()
    bootstrap = f"127.0.0.1:{listen()}"
    for codec in CODECS:
        confluent(bootstrap, codec)
        kafka_python(bootstrap, codec)
        if len(sys.argv) > 1:
            subprocess.run(["java", "-cp", f"{sys.argv[1]}/*", HERE / "Capture.java", bootstrap, codec,
                            HERE / "records.json"], check=True)
    for made in sorted(HERE.glob("*.bin")):
        print(made.name, made.stat().st_size)


if __name__ == "__main__":
    main()
