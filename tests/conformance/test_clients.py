"""Client libraries of other languages, each with the same task (see clients/README.md)."""

import pytest
from conftest import ROOT, run

CLIENTS = ROOT / "tests" / "conformance" / "clients"
COUNT = 1000


def command(client: str) -> list[str]:
    """How to start a client's program; run.sh has built it."""
    if client == "kafkajs":
        return ["node", str(ROOT / ".work" / "clients" / "node" / "kafkajs.js")]
    return [str(ROOT / ".work" / "clients" / client)]


@pytest.mark.parametrize("client", ["franz-go", "sarama", "kafkajs", "rdkafka"])
def test_a_group_reads_what_was_produced_and_goes_on_where_it_stopped(broker, topic, group, client):
    broker.cli("topic", "create", topic, "--partitions", "4")
    lines = run(*command(client), broker.kafka_addr, topic, group, str(COUNT)).splitlines()
    read = {phase: [line.split(" ")[1:] for line in lines if line.startswith(phase)] for phase in ("first", "second")}
    assert len(lines) == len(read["first"]) + len(read["second"])
    expected = [[f"k{n}", f"value-{n}-☃", str(n)] for n in range(COUNT + 10)]
    # A member that left may have read what it had not committed yet: at least once, and everything.
    assert {tuple(r) for r in read["first"]} == {tuple(r) for r in expected[:COUNT]}
    assert sorted(read["second"]) == sorted(expected[COUNT:]), "committed offsets are where the next member begins"
