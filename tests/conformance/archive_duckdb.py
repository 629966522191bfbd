#!/usr/bin/env python3
"""Reads archive objects with DuckDB and pyarrow, as an analyst would.

usage: archive_duckdb.py PATH...

PATH is an object, or a folder to search for *.parquet. Prints what each reader sees and fails if they disagree with
each other or with the format: column types, row counts, offset order, header lists. Needs `duckdb` and `pyarrow`.
"""

import pathlib
import sys

import duckdb
import pyarrow.parquet as pq

TYPES = {
    "partition": "INTEGER",
    "offset": "BIGINT",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "key": "BLOB",
    "value": "BLOB",
    "headers": "STRUCT(\"key\" VARCHAR, \"value\" BLOB)[]",
}
FIELD_IDS = {"partition": 1, "offset": 2, "timestamp": 3, "key": 4, "value": 5}


def files(paths):
    for path in map(pathlib.Path, paths):
        yield from sorted(path.rglob("*.parquet")) if path.is_dir() else [path]


def check(condition, message):
    if not condition:
        sys.exit(f"FAILED: {message}")


def duckdb_view(db, path):
    source = f"read_parquet('{path}', hive_partitioning = false)"
    types = {name: kind for name, kind, *_ in db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    check(types == TYPES, f"{path}: DuckDB sees columns {types}")
    rows, first, last, values, value_bytes = db.execute(
        f'SELECT count(*), min("offset"), max("offset"), count(value), sum(octet_length(value)) FROM {source}'
    ).fetchone()
    ordered = db.execute(
        f'SELECT coalesce(bool_and(o > p), true) FROM (SELECT "offset" o, lag("offset", 1, -1) OVER () p FROM {source})'
    ).fetchone()[0]
    check(ordered, f"{path}: offsets do not go up")
    print(f"{path}: {rows} rows, offsets {first} to {last}")
    text = f"""
        SELECT "offset", "timestamp"::VARCHAR, try(decode(key)) AS key, try(decode(value))[:60] AS value,
               list_transform(headers, lambda h: h.key) AS headers
        FROM {source} ORDER BY "offset" LIMIT 5"""
    for row in db.execute(text).fetchall():
        print("   ", *row, sep=" | ")
    return rows, (values, value_bytes)


def pyarrow_view(path):
    file = pq.ParquetFile(path)
    fields = {field.name: field for field in file.schema_arrow}
    for name, number in FIELD_IDS.items():
        found = (fields[name].metadata or {}).get(b"PARQUET:field_id")
        check(found == str(number).encode(), f"{path}: field id of {name} is {found}")
    table = file.read()
    values = table.column("value")
    lengths = [len(value) for value in values.to_pylist() if value is not None]
    return table.num_rows, (len(lengths), sum(lengths) if lengths else None)


def main():
    paths = list(files(sys.argv[1:]))
    check(paths, __doc__)
    db = duckdb.connect()
    db.sql("SET TimeZone = 'UTC'")
    for path in paths:
        by_duckdb, by_pyarrow = duckdb_view(db, path), pyarrow_view(path)
        check(by_duckdb == by_pyarrow, f"{path}: DuckDB sees {by_duckdb}, pyarrow {by_pyarrow}")
    print(f"ok: {len(paths)} objects, DuckDB {duckdb.__version__} and pyarrow agree")


if __name__ == "__main__":
    main()
