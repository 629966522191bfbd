"""A real broker for each module of tests, and names that no other test uses."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "pylib"))

from tidemill_process import Broker  # noqa: E402

names = itertools.count()


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A broker with the defaults of a new installation, but for the wait before a group's first rebalance, and for as many
    journals as a larger machine has: what concerns several partitions concerns several of them."""
    folder = tmp_path_factory.mktemp("broker")
    settings = {"group.initial.rebalance.delay.ms": "100", "journals": "2"}
    with Broker(folder / "data", settings=settings) as running:
        yield running


@pytest.fixture
def topic():
    """A topic name of this test's own."""
    return f"topic-{next(names)}"


@pytest.fixture
def group():
    """A group name of this test's own."""
    return f"group-{next(names)}"


def run(*command: str, stdin: str = "", timeout: float = 90.0) -> str:
    """Runs a program and answers what it printed; a failure shows both its outputs."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def kafka_tool(class_name: str, *arguments: str, stdin: str = "", timeout: float = 120.0) -> str:
    """Runs one of Kafka's own Java command line tools."""
    java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{os.environ['KAFKA_LIBS']}/*"]
    return run(*java, class_name, *arguments, stdin=stdin, timeout=timeout)
