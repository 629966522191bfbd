"""Functions in a real broker: hostile ones are contained, and policies do what they say."""

import os
import time

import pytest
from conftest import run

HOSTILE = {
    "loop": "did not finish within 300 ms",
    "trap": "trapped",
    "panic": "trapped",
    "allocate": "needs more than its",
    "return-garbage": "garbage",
    "return-much": "returned more than",
}


def produce(broker, topic: str, values: list[str]) -> None:
    run("kcat", "-b", broker.kafka_addr, "-P", "-t", topic, stdin="".join(f"{value}\n" for value in values))


def consume(broker, topic: str) -> list[str]:
    return broker.cli("consume", topic, "--from-beginning", "--exit").splitlines()


def deploy(broker, name: str, source: str, outputs: list[str], *options: str, wasm: str = "") -> None:
    arguments = [argument for output in outputs for argument in ("--output", output)]
    broker.cli("function", "deploy", name, "--wasm", wasm or os.environ["HOSTILE_GUEST"], "--input", source,
               *arguments, *options)


def wait(what: str, condition, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.05)


def describe(broker, name: str) -> dict:
    return broker.cli("function", "describe", name, json_output=True)


def test_hostile_functions_stop_and_the_others_go_on(broker):
    broker.cli("topic", "create", "victims", "--partitions", "1")
    produce(broker, "victims", [f"v{n}" for n in range(50)])
    deploy(broker, "polite", "victims", ["copies"], "--set", "mode=copy")
    for mode in HOSTILE:
        # The one that returns 500 MB must get so far as to have them.
        limits = (10_000, 1 << 30) if mode == "return-much" else (300, 32 << 20)
        deploy(broker, f"hostile-{mode}", "victims", [f"out.{mode}"], "--set", f"mode={mode}",
               "--deadline-ms", str(limits[0]), "--memory-bytes", str(limits[1]))
    for mode, reason in HOSTILE.items():
        name = f"hostile-{mode}"
        wait(f"{name} stopping", lambda name=name: describe(broker, name)["status"] == "failed")
        error = describe(broker, name)["instances"][0]["error"]
        for part in (name, "version 1", "victims-0", "offset 0", reason):
            assert part in error, f"{part!r} is not in {error!r}"
        assert reason in broker.cli("function", "logs", name)
        assert consume(broker, f"out.{mode}") == []
    produce(broker, "victims", [f"v{n}" for n in range(50, 100)])
    wait("the polite function", lambda: describe(broker, "polite")["instances"][0]["lag"] == 0)
    assert consume(broker, "copies") == [f"v{n}" for n in range(100)]


@pytest.mark.parametrize("policy", ["skip", "dead-letter"])
def test_a_bad_record_is_passed_over(broker, policy):
    source = f"mixed.{policy}"
    broker.cli("topic", "create", source)
    good = '{"year":2013,"month":1,"day":1,"dep_delay":99,"carrier":"UA","flight":%d,"origin":"EWR","dest":"IAH"}'
    produce(broker, source, [good % 1, "not json", good % 2, "{", good % 3])
    deploy(broker, f"late.{policy}", source, [f"late.{policy}"], "--on-error", policy, wasm=os.environ["LATE_FLIGHTS"])
    wait("the function", lambda: describe(broker, f"late.{policy}")["instances"][0]["lag"] == 0)
    assert [f'"flight":{n}' in line for n, line in enumerate(consume(broker, f"late.{policy}"), 1)] == [True] * 3
    if policy == "dead-letter":
        dead = run("kcat", "-b", broker.kafka_addr, "-C", "-t", f"{source}.late.{policy}.dlq", "-e", "-q", "-f",
                   "%s|%h\n").splitlines()
        assert [line.split("|")[0] for line in dead] == ["not json", "{"]
        assert "tidemill.offset=1" in dead[0] and "tidemill.offset=3" in dead[1]


def test_a_stopped_function_goes_on_when_it_is_mended(broker):
    broker.cli("topic", "create", "mend")
    produce(broker, "mend", ["a", "b"])
    deploy(broker, "mended", "mend", ["mended.out"], "--set", "mode=trap")
    wait("it stopping", lambda: describe(broker, "mended")["status"] == "failed")
    deploy(broker, "mended", "mend", ["mended.out"], "--set", "mode=copy")
    wait("it going on", lambda: describe(broker, "mended")["instances"][0]["lag"] == 0)
    assert consume(broker, "mended.out") == ["a", "b"]
    assert describe(broker, "mended")["version"] == 2


def test_pause_keeps_the_position_and_delete_forgets_it(broker):
    broker.cli("topic", "create", "paused")
    deploy(broker, "pausing", "paused", ["paused.out"], "--set", "mode=copy")
    produce(broker, "paused", ["one"])
    wait("the first record", lambda: describe(broker, "pausing")["instances"][0]["lag"] == 0)
    broker.cli("function", "pause", "pausing")
    produce(broker, "paused", ["two"])
    time.sleep(0.5)
    assert consume(broker, "paused.out") == ["one"]
    broker.cli("function", "resume", "pausing")
    wait("the second record", lambda: describe(broker, "pausing")["instances"][0]["lag"] == 0)
    assert consume(broker, "paused.out") == ["one", "two"]
    broker.cli("function", "delete", "pausing")
    assert "pausing" not in broker.cli("function", "list")


def test_outputs_for_another_journal_arrive_in_order(broker):
    """The output exists beforehand with a placement of its own, so some partitions are on another journal."""
    broker.cli("topic", "create", "near", "--partitions", "4")
    broker.cli("topic", "create", "far", "--partitions", "3")
    deploy(broker, "across", "near", ["far"], "--set", "mode=copy")
    for partition in range(4):
        run("kcat", "-b", broker.kafka_addr, "-P", "-t", "near", "-p", str(partition),
            stdin="".join(f"{partition}-{n}\n" for n in range(200)))
    wait("the function", lambda: sum(i["lag"] for i in describe(broker, "across")["instances"]) == 0)
    wait("delivery", lambda: len(consume(broker, "far")) == 800)
    for partition in range(3):
        found = broker.cli("consume", "far", "--from-beginning", "--exit", "--partition", str(partition)).splitlines()
        for source in {line.split("-")[0] for line in found}:
            assert [line for line in found if line.startswith(f"{source}-")] == [f"{source}-{n}" for n in range(200)]
