"""kcat, on librdkafka."""

import json

import pytest
from conftest import run


def lines(count: int) -> str:
    return "".join(f"key{n}:value {n} äöü ☃\n" for n in range(count))


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_what_goes_in_comes_out(broker, topic, codec):
    run("kcat", "-b", broker.kafka_addr, "-P", "-t", topic, "-K", ":", "-z", codec, stdin=lines(1000))
    out = run("kcat", "-b", broker.kafka_addr, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-K", ":")
    assert out == lines(1000)


def test_headers_and_null_values(broker, topic):
    run("kcat", "-b", broker.kafka_addr, "-P", "-t", topic, "-H", "a=1", "-H", "a=2", "-H", "b", "-Z", "-K", ":",
        stdin="k:\nk:v\n")
    out = run("kcat", "-b", broker.kafka_addr, "-C", "-t", topic, "-e", "-q", "-f", "%k|%S|%s|%h\n")
    assert out.splitlines() == ["k|-1||a=1,a=2,b=NULL", "k|1|v|a=1,a=2,b=NULL"]


def test_metadata_names_broker_and_partitions(broker):
    broker.cli("topic", "create", "kcat.meta", "--partitions", "3")
    listed = json.loads(run("kcat", "-b", broker.kafka_addr, "-L", "-J", "-t", "kcat.meta"))
    assert [b["name"] for b in listed["brokers"]] == [broker.kafka_addr]
    assert [p["partition"] for p in listed["topics"][0]["partitions"]] == [0, 1, 2]


def test_a_group_goes_on_where_it_stopped(broker, topic, group):
    def consume(count: int) -> list[str]:
        return run("kcat", "-b", broker.kafka_addr, "-G", group, "-X", "auto.offset.reset=earliest", "-c", str(count),
                   "-q", topic).splitlines()

    run("kcat", "-b", broker.kafka_addr, "-P", "-t", topic, stdin="".join(f"{n}\n" for n in range(100)))
    assert consume(60) == [str(n) for n in range(60)]
    assert consume(40) == [str(n) for n in range(60, 100)]


def test_offsets_by_time(broker, topic):
    run("kcat", "-b", broker.kafka_addr, "-P", "-t", topic, stdin="a\nb\nc\n")
    out = run("kcat", "-b", broker.kafka_addr, "-Q", "-t", f"{topic}:0:0")
    assert out.split() == [topic, "[0]", "offset", "0"]
