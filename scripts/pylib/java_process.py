"""Java programs that run beside a test: started on their own, ended in order."""

import os
import signal
import subprocess
import time
from pathlib import Path

OPTIONS = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


class JavaProcess:
    """One virtual machine; its output goes to a file."""

    def __init__(self, class_path: str, log_path: Path, *command: str, options: list[str] | None = None):
        self.log_path = log_path
        self.log = open(log_path, "ab")
        self.process = subprocess.Popen(["java", *OPTIONS, *(options or []), "-cp", class_path, *command],
                                        stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, env=os.environ)

    def wait_until(self, ready, what: str, timeout_s: float = 120.0):
        """Waits until `ready()` is true, or anything else than None or False, and answers it."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if found := ready():
                return found
            if self.process.poll() is not None:
                raise RuntimeError(f"the program ended with {self.process.returncode}:\n{self.tail()}")
            time.sleep(0.1)
        raise RuntimeError(f"{what} did not happen in {timeout_s} s:\n{self.tail()}")

    def stop(self, timeout_s: float = 60.0) -> int:
        """Ends its input and asks it to end; answers its exit code."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.send_signal(signal.SIGTERM)
        return self._ended(timeout_s)

    def end_input(self, timeout_s: float = 60.0) -> int:
        """Ends its input and waits for it to end by itself; answers its exit code."""
        self.process.stdin.close()
        return self._ended(timeout_s)

    def _ended(self, timeout_s: float) -> int:
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the program did not end within {timeout_s} s:\n{self.tail()}") from None
        finally:
            self.log.close()

    def tail(self, lines: int = 60) -> str:
        """The end of its output."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> "JavaProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
