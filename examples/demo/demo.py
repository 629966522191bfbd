"""Tidemill's main job on real data: Kafka client in, WASM transform and sink, Parquet in the bucket, SQL out.

Every step prints its figures, and the end checks that all parts agree to the last row.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import duckdb
from confluent_kafka import Consumer, Producer, TopicPartition

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "pylib"))

from flights import Expected, identity, records  # noqa: E402
from minio_process import PASSWORD, USER, Minio  # noqa: E402
from receiver import Receiver  # noqa: E402
from tidemill_process import Broker  # noqa: E402

WAIT_S = 300


def say(text: str) -> None:
    print(f"\n\033[1m== {text}\033[0m", flush=True)


def figures(**values: object) -> None:
    width = max(len(name) for name in values)
    for name, value in values.items():
        print(f"   {name.replace('_', ' '):<{width}}  {value}", flush=True)


def check(name: str, found: object, expected: object) -> None:
    if found != expected:
        sys.exit(f"FAILED: {name}: found {str(found)[:500]}, expected {str(expected)[:500]}")
    print(f"   ok  {name}", flush=True)


def wait_until(what: str, condition) -> float:
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > WAIT_S:
            sys.exit(f"FAILED: {what} did not happen within {WAIT_S} s")
        time.sleep(0.1)
    return time.monotonic() - started


def stream(broker: Broker) -> list[list[tuple[bytes, bytes]]]:
    """Produces every flight; answers what each partition must hold, in order, as the broker acknowledged it."""
    producer = Producer({"bootstrap.servers": broker.kafka_addr, "enable.idempotence": True, "linger.ms": 20,
                         "compression.type": "lz4"})
    sent: list[list[tuple[bytes, bytes]]] = [[] for _ in range(4)]
    failed = []

    def delivered(error, message):
        if error:
            failed.append(error)
        else:
            sent[message.partition()].append((message.offset(), message.key(), message.value()))

    started, count, size = time.monotonic(), 0, 0
    for key, value in records():
        while True:
            try:
                producer.produce("flights", value, key, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        count, size = count + 1, size + len(key) + len(value)
        if count % 50_000 == 0:
            print(f"   {count:>7,} records", flush=True)
        producer.poll(0)
    producer.flush(WAIT_S)
    elapsed = time.monotonic() - started
    check("every record was acknowledged", (len(failed), sum(map(len, sent))), (0, count))
    figures(records=f"{count:,}", bytes=f"{size:,}", seconds=f"{elapsed:.1f} (the Python client is the limit)")
    return [[(key, value) for _, key, value in sorted(part)] for part in sent]


def deploy(broker: Broker, receiver: Receiver) -> None:
    print(broker.cli("function", "deploy", "late-flights", "--wasm", os.environ["LATE_FLIGHTS"],
                     "--input", "flights", "--output", "flights.late"), end="")
    print(broker.cli("function", "deploy", "webhook", "--wasm", os.environ["WEBHOOK"], "--input", "flights.late",
                     "--set", f"url=http://{receiver.address}/flights", "--allow-http", receiver.address), end="")


def consume_group(broker: Broker, expected: int) -> list[dict]:
    """Reads flights.late with kcat in a consumer group until every expected record is there."""
    command = ["kcat", "-b", broker.kafka_addr, "-G", "demo", "-X", "auto.offset.reset=earliest", "-c",
               str(expected), "-q", "-f", "%s\n", "flights.late"]
    done = subprocess.run(command, capture_output=True, timeout=WAIT_S, check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def query(files: dict[str, list[str]], minio: Minio | None) -> tuple[list, list, list[dict]]:
    """Asks DuckDB for late flights by carrier and mean delay per month, straight from the objects."""
    database = duckdb.connect()
    flights, late = (local_files(files[topic], minio) for topic in ("flights", "flights.late"))
    by_carrier = database.sql("""
        select decode(value)::json->>'carrier' as carrier, count(*) as late
        from read_parquet($files) group by all order by late desc, carrier""", params={"files": late})
    by_month = database.sql("""
        select (decode(value)::json->>'month')::int as month,
               avg((decode(value)::json->>'dep_delay')::int) as mean_delay
        from read_parquet($files) group by all order by month""", params={"files": flights})
    print(by_carrier)
    print(by_month)
    rows = database.sql("select decode(value) from read_parquet($files)", params={"files": late}).fetchall()
    sample = database.sql("""select decode(value)::json->>'note' as note, count(*) as flights
        from read_parquet($files) group by all order by note""", params={"files": flights})
    print(sample)
    return by_carrier.fetchall(), by_month.fetchall(), [json.loads(value) for (value,) in rows]


def local_files(locations: list[str], minio: Minio | None) -> list[str]:
    """Addresses as DuckDB reads them without a downloaded extension: MinIO's objects through presigned-free copies."""
    if minio is None:
        return [urllib.parse.unquote(location.removeprefix("file://")) for location in locations]
    folder = minio.folder.parent / "downloaded"
    return [download(location, folder, minio) for location in locations]


def download(location: str, folder: Path, minio: Minio) -> str:
    """One object, read from MinIO over S3 by pyarrow, a client that is not ours."""
    from pyarrow import fs  # only needed with MinIO
    store = fs.S3FileSystem(access_key=USER, secret_key=PASSWORD, endpoint_override=minio.endpoint, scheme="http",
                            region="us-east-1")
    path = location.removeprefix("s3://")
    target = folder / path.replace("/", "_")
    target.parent.mkdir(parents=True, exist_ok=True)
    with store.open_input_stream(path) as source, open(target, "wb") as sink:
        shutil.copyfileobj(source, sink)
    return str(target)


def read_all(broker: Broker) -> list[list[tuple[bytes, bytes]]]:
    """Every record of flights from offset 0, by partition."""
    consumer = Consumer({"bootstrap.servers": broker.kafka_addr, "group.id": "demo-replay",
                         "enable.auto.commit": False, "enable.partition.eof": True})
    consumer.assign([TopicPartition("flights", number, 0) for number in range(4)])
    found: list[list[tuple[bytes, bytes]]] = [[] for _ in range(4)]
    ended: set[int] = set()
    deadline = time.monotonic() + WAIT_S
    while len(ended) < 4 and time.monotonic() < deadline:
        for message in consumer.consume(10_000, timeout=1.0):
            if message.error():
                ended.add(message.partition())
            else:
                found[message.partition()].append((message.key(), message.value()))
    consumer.close()
    return found


def run(broker: Broker, minio: Minio | None) -> None:
    say("1. start the broker")
    figures(seconds_until_ready=f"{broker.start():.3f}", kafka=broker.kafka_addr, http=broker.http_addr,
            object_store=broker.object_store or "a folder in the data directory")

    say("2. create flights and stream 336,776 JSON records through confluent-kafka")
    print(broker.cli("topic", "create", "flights", "--partitions", "4"), end="")
    sent = stream(broker)

    say("3. upload a transform and a sink, both WebAssembly")
    receiver = Receiver()
    deploy(broker, receiver)
    expected = Expected()
    late = len(expected.late)

    say("4. consume flights.late in a consumer group with kcat")
    started = time.monotonic()
    consumed = consume_group(broker, late)
    figures(records=f"{len(consumed):,}", seconds=f"{time.monotonic() - started:.1f}")
    waited = wait_until("delivery of every late flight", lambda: len(receiver.items()) >= late)
    figures(delivered=f"{len(receiver.items()):,} records in {len(receiver.deliveries):,} deliveries",
            repeated=receiver.repeated, waited=f"{waited:.1f} s")

    say("5. seal, and query the Parquet objects with DuckDB")
    for topic in ("flights", "flights.late"):
        print(broker.cli("archive", "seal", topic, "--wait"), end="")
    print(broker.cli("archive", "status", "--files"), end="")
    files = {topic: broker.archive_files(topic) for topic in ("flights", "flights.late")}
    by_carrier, by_month, archived_rows = query(files, minio)

    say("6. all parts agree")
    check("records computed from the CSV", expected.count, sum(map(len, sent)))
    check("kcat's rows", sorted(map(identity, consumed)), expected.late)
    check("the receiver's rows", sorted(identity(item["value"]) for item in receiver.items()), expected.late)
    check("DuckDB's rows", sorted(map(identity, archived_rows)), expected.late)
    check("late flights by carrier", dict(by_carrier), dict(expected.late_by_carrier))
    check("mean delay per month", {month: round(mean, 9) for month, mean in by_month},
          {month: round(mean, 9) for month, mean in expected.mean_delay_by_month.items()})

    say("7. restart, and consume flights from offset 0, out of the archive")
    figures(seconds_until_ready=f"{broker.restart():.3f}")
    started = time.monotonic()
    found = read_all(broker)
    elapsed = time.monotonic() - started
    check("every record arrives, equal to what was sent", found == sent, True)
    check("no byte of it was hot", broker.metric("tidemill_fetch_bytes_total", topic="flights", source="hot"), 0.0)
    archived = broker.metric("tidemill_fetch_bytes_total", topic="flights", source="archive")
    figures(records=f"{sum(map(len, found)):,}", bytes_fetched=f"{archived:,.0f}", seconds=f"{elapsed:.1f}")
    print(broker.cli("archive", "verify", "flights"), end="")
    receiver.stop()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--store", choices=["folder", "minio"], default="folder")
    store = arguments.parse_args().store
    work = ROOT / ".work" / f"demo-{store}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    minio = Minio(os.environ["MINIO"], work / "minio") if store == "minio" else None
    if minio:
        minio.start()
    broker = Broker(work / "data", object_store=minio.url if minio else None,
                    environment=minio.environment if minio else None)
    started = time.monotonic()
    try:
        run(broker, minio)
    finally:
        broker.stop()
        if minio:
            minio.stop()
    say(f"the demo took {time.monotonic() - started:.0f} s and everything agrees; its data is in {work}")


if __name__ == "__main__":
    main()
