"""Starts and stops a real MinIO server on loopback."""

import os
import subprocess
import time
import urllib.request
from pathlib import Path

from tidemill_process import free_port

USER, PASSWORD = "tidemill", "tidemill-secret"


class Minio:
    """One MinIO process with one bucket."""

    def __init__(self, binary: str, folder: Path, bucket: str = "tidemill"):
        self.binary, self.folder, self.bucket = binary, Path(folder), bucket
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        self.console = f"127.0.0.1:{free_port()}"
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        """The bucket as Tidemill's --object-store takes it."""
        return f"s3://{self.bucket}/demo"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that every S3 client reads."""
        return {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": PASSWORD, "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": self.endpoint, "AWS_ALLOW_HTTP": "true"}

    def start(self) -> None:
        # On its file system backend a bucket is a folder.
        (self.folder / self.bucket).mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD}
        log = open(self.folder.parent / "minio.log", "ab")
        self.process = subprocess.Popen(
            [self.binary, "server", str(self.folder), "--address", self.endpoint.removeprefix("http://"),
             "--console-address", self.console], stdout=log, stderr=log, env=environment)
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.endpoint}/minio/health/ready", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("MinIO did not start; see minio.log")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(30)
