#!/usr/bin/env python3
"""duckdb_writer.py OBJECT SECONDS: what it costs DuckDB to write the rows of an archive object to Parquet.

The rows are in a table in memory before it counts, and are copied on one thread, with zstd-1, again and again. Prints,
as JSON, CPU and clock seconds of all times together, how many times, and the size of the file.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import duckdb


def main() -> None:
    source, seconds = sys.argv[1], float(sys.argv[2])
    with tempfile.TemporaryDirectory(dir=Path(source).parent) as folder:
        target = Path(folder) / "copy.parquet"
        connection = duckdb.connect(config={"threads": 1})
        connection.execute("CREATE TABLE records AS SELECT * FROM read_parquet(?)", [source])
        copy = f"COPY records TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        connection.execute(copy)
        times, started, cpu = 0, time.perf_counter(), time.process_time()
        while times == 0 or time.perf_counter() - started < seconds:
            connection.execute(copy)
            times += 1
        print(json.dumps({"cpu_s": time.process_time() - cpu, "elapsed_s": time.perf_counter() - started,
                          "times": times, "file_bytes": target.stat().st_size}))


if __name__ == "__main__":
    main()
