"""Starts the daemon that is tested, in a directory of its own, and talks to it.

The path of the program comes in the environment as RINGMASTER_BINARY. Everything is on the loopback
interface, on a port that the kernel chooses; nothing is left behind.
"""

import contextlib
import glob
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("RINGMASTER_BINARY", SOURCE / "build/release/ringmaster")

# For what must happen at all; nothing is asserted about how fast it does.
PATIENCE_S = 60

OVERFLOW = "+18005550199"

# For scripts/coverage: a daemon that is killed leaves no counts.
STOP_ALL = "RINGMASTER_STOP_ALL" in os.environ


def numbers(area_code, count=100):
    """The fictional numbers of an area code."""
    return ["+1%d55501%02d" % (area_code, i) for i in range(count)]


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain until " + what)
        time.sleep(0.005)


class Pool:
    def __init__(self, id, key, numbers, **settings):
        self.id, self.key, self.numbers = id, key, numbers
        self.settings = {"overflow_number": OVERFLOW, **settings}
        if settings.get("allow_overflow") is False:
            del self.settings["overflow_number"]


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Daemon:
    """`sections` are the settings of the configuration: {"server": {"backlog": 5}, ...}.

    `descriptors` and `memory` (bytes of address space) are limits; `environment` comes on top of
    this process's own."""

    shards = 1

    def __init__(self, pools, sections=None, descriptors=None, environment=None, memory=None):
        # Short, for the paths of Unix sockets are.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ringmaster-test-"))
        self.config = self.directory / "ringmaster.toml"
        self.log_path = self.directory / "stderr.log"
        self.limits = {resource.RLIMIT_NOFILE: descriptors, resource.RLIMIT_AS: memory}
        self.environment = environment or {}
        self.process = None
        self.port = None
        self.write_config(pools, sections or {})

    def write_config(self, pools, sections):
        sections = {name: dict(keys) for name, keys in sections.items()}
        server = sections.setdefault("server", {})
        server.setdefault("listen", "127.0.0.1:0")
        # A busy machine is no failure, and none of its shards is slow.
        server.setdefault("request_timeout_ms", 30000)
        sections.setdefault("peers", {"deadline_ms": 20000, "latency_floor_ms": 16000})
        server.setdefault("shards", self.shards)
        server.setdefault("run_dir", "run")
        text = ""
        for name, keys in sections.items():
            text += "[%s]\n" % name
            text += "".join("%s = %s\n" % (k, json.dumps(v)) for k, v in keys.items())
        for pool in pools:
            (self.directory / (pool.id + ".txt")).write_text("\n".join(pool.numbers) + "\n")
            keys = {"id": pool.id, "key": pool.key, "numbers_file": pool.id + ".txt",
                    **pool.settings}
            text += "[[pool]]\n"
            text += "".join("%s = %s\n" % (k, json.dumps(v)) for k, v in keys.items())
        self.config.write_text(text)

    def start(self, wait=True):
        def limit():
            for kind, value in self.limits.items():
                if value is not None:
                    resource.setrlimit(kind, (value, value))
        offset = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BINARY, "serve", "--config", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=limit, start_new_session=True,
                                            env={**os.environ, **self.environment})
        if wait:
            def listening():
                if self.process.poll() is not None:
                    raise AssertionError("the daemon ended: " + self.log())
                found = re.search(r"listening on \S+:(\d+)", self.log()[offset:])
                self.port = int(found[1]) if found else None
                return found
            wait_until(listening, "the daemon listens")
        return self

    def log(self):
        return self.log_path.read_bytes().decode()

    def wait(self):
        """The exit status."""
        return self.process.wait(PATIENCE_S)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        """The supervisor and all shards at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not members_of(self.process.pid), "all its processes have ended")

    def shard_pids(self):
        """By index; of those that there are."""
        pids = {}
        for pid in members_of(self.process.pid):
            with contextlib.suppress(OSError):
                name = pathlib.Path("/proc/%d/comm" % pid).read_text().strip()
                shard = re.fullmatch(r"ringmaster-(\d+)", name)
                if shard and status_of(pid, "PPid") == self.process.pid:
                    pids[int(shard[1])] = pid
        return pids

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process is not None:
            if STOP_ALL and self.process.poll() is None:
                self.stop()
            with contextlib.suppress(ProcessLookupError):
                self.kill()
        log = self.log() if self.log_path.exists() else ""
        shutil.rmtree(self.directory, ignore_errors=True)
        if "Sanitizer" in log or "runtime error: " in log:
            raise AssertionError(log)

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.connect()
        return connection

    def socket(self, timeout=PATIENCE_S):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def request(self, method, target, body=None, headers={}):
        connection = self.connect()
        try:
            return ask(connection, method, target, body, headers)
        finally:
            connection.close()

    def get(self, target, **headers):
        return self.request("GET", target, headers=headers)

    def number(self, pool, session, **context):
        """What GET /numbers answers to a session."""
        return self.get(numbers_target(pool, session, **context))

    def batch(self, rows):
        return self.request("POST", "/numbers", json.dumps({"requests": rows}))

    def raw(self, data):
        """All that is sent back to these bytes until the connection is closed."""
        with self.socket() as connection:
            connection.sendall(data)
            return receive_all(connection)


def status_of(pid, field):
    text = pathlib.Path("/proc/%d/status" % pid).read_text()
    return int(re.search(r"%s:\s+(\d+)" % field, text)[1])


def living_processes():
    """{id: process group}, of those that have not ended. One whose first thread has ended lives on
    in its others, and keeps its files open."""
    found = {}
    # Of glob, which leaves out what ends meanwhile: pathlib's raises.
    for path in map(pathlib.Path, glob.iglob("/proc/[0-9]*/task/*/stat")):
        with contextlib.suppress(OSError):
            state, _, group = path.read_text().rpartition(") ")[2].split()[:3]
            if state not in "ZX":
                found[int(path.parts[2])] = int(group)
    return found


def members_of(group):
    """The processes of a process group that have not ended."""
    return [pid for pid, of in living_processes().items() if of == group]


def numbers_target(pool, session, **context):
    query = {"pool": pool.id, "key": pool.key, "session": session, **context}
    return "/numbers?" + urllib.parse.urlencode(query)


def row(pool, session, **context):
    return {"pool": pool.id, "key": pool.key, "session": session, "context": context}


def ask(connection, method, target, body=None, headers={}):
    """One request on a connection that is kept."""
    connection.request(method, target, body, headers)
    return Answer(connection.getresponse())


def receive_all(connection):
    data = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


def receive_until(connection, end):
    data = b""
    while not data.endswith(end):
        piece = connection.recv(65536)
        if not piece:
            raise AssertionError("the connection was closed after %r" % data)
        data += piece
    return data


def statuses(answers):
    """Of several answers, as they came over one connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]


def command(*arguments):
    """Runs the program to its end."""
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
                          timeout=PATIENCE_S)


def main():
    unittest.main(verbosity=2)
