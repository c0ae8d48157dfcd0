"""What bench/run and bench/million have in common: servers that are measured, and their numbers."""
import contextlib
import glob
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY_SECONDS = 300
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

problems = []


def problem(text):
    """Something that makes figures doubtful: told at once, and again by the exit status."""
    problems.append(text)
    print("PROBLEM:", text)


class Server:
    """A server process pinned to a core, with whatever processes it starts."""

    client_core = "1"
    environment = None  # of its load

    def __init__(self, name, port, command, environment=None, core="0"):
        self.name, self.port = name, port
        self.process = subprocess.Popen(["taskset", "-c", core, *map(str, command)],
                                        env={**os.environ, **(environment or {})})
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self):
        for _ in range(READY_SECONDS * 10):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with status {self.process.returncode}")
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5).close()
                return
            time.sleep(0.1)
        sys.exit(f"{self.name} was not ready within {READY_SECONDS} s")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            problem(f"{self.name} did not end within 30 s after SIGTERM")
            self.process.kill()
            self.process.wait()

    def processes(self):
        """The ids of the server's process and of all that descend from it."""
        children = {}
        for path in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = pathlib.Path(path).read_text().rpartition(") ")[2].split()
                children.setdefault(int(fields[1]), []).append(int(path.split("/")[2]))
        found = [self.process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def sum_over_processes(self, read):
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                total += read(pathlib.Path(f"/proc/{pid}"))
        return total

    def cpu_seconds(self):
        """Of ended children too (a snapshot's writer), once they have been waited for."""
        def read(directory):
            fields = (directory / "stat").read_text().rpartition(") ")[2].split()
            return sum(map(int, fields[11:15])) / TICKS_PER_SECOND
        return self.sum_over_processes(read)

    def written_bytes(self):
        return self.sum_over_processes(lambda d: field_of(d / "io", "wchar"))

    def memory_bytes(self, field="VmRSS"):
        return self.sum_over_processes(lambda d: field_of(d / "status", field) * 1024)


def field_of(path, name):
    """The number in a line "name: 123 ..." of a file of /proc."""
    for line in path.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def make_numbers(directory, count):
    """One file for each pool: an exchange of an area code, 10,000 numbers."""
    lines = (ROOT / "configs/demo/area-codes.txt").read_text().splitlines()
    codes = [line.split()[0] for line in lines if line and not line.startswith("#")][:64]
    for pool in range(count):
        exchange, code = divmod(pool, len(codes))
        numbers = (f"+1{codes[code]}{234 + exchange}{line:04}\n" for line in range(10000))
        (directory / f"pool-{pool}.txt").write_text("".join(numbers))
