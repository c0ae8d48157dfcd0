"""A daemon of several shards, and what a test must know of them."""

import json
import os
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import daemon  # noqa: E402
from daemon import Daemon, ask  # noqa: E402
from ports import free_ports  # noqa: E402

TOKEN = "a-token-of-the-tests"
# For tests in which a shard hangs.
PEERS = {"deadline_ms": 1000, "latency_floor_ms": 800}
MASK = (1 << 64) - 1


def mix(value):
    value = ((value ^ (value >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    value = ((value ^ (value >> 27)) * 0x94d049bb133111eb) & MASK
    return value ^ (value >> 31)


def owner(pool_id, shards):
    """Which shard has a pool's numbers. Written anew here: where the daemon's own answer changes,
    numbers on disks would be looked for in the wrong place."""
    value = 0xcbf29ce484222325
    for byte in pool_id.encode():
        value = ((value ^ byte) * 0x100000001b3) & MASK
    value = mix(value)
    return max(range(shards),
               key=lambda i: (mix((value + (i + 1) * 0x9e3779b97f4a7c15) & MASK), -i))


def pool_id(shards, of, tail=""):
    """The id of a pool that this shard owns."""
    return next(id for id in ("pool%d%s" % (i, tail) for i in range(10_000))
                if owner(id, shards) == of)


def demand_text(holds):
    """A file of demand: so many new holds in each hour, of which the last one has just ended."""
    first = int(time.time()) // 3600 - len(holds)
    return ("ringmaster demand 1\n"
            "hour observed_ms allocations new_holds exhausted early_reissues extended_ms\n" +
            "".join("%d 3600000 %d %d 0 0 0\n" % (first + i, n, n) for i, n in enumerate(holds)) +
            "end %d\n" % len(holds))


class Fleet(Daemon):
    """`shards` of them, each with a port of its own."""

    def __init__(self, pools, shards=2, sections=None, **more):
        self.shards = shards
        self.hanging = set()
        sections = {name: dict(keys) for name, keys in (sections or {}).items()}
        sections.setdefault("admin", {}).setdefault("token", TOKEN)
        first = free_ports(16 + 1)
        server = sections.setdefault("server", {})
        server.setdefault("listen", "127.0.0.1:%d" % first)
        server.setdefault("shard_listen", "127.0.0.1:%d" % (first + 1))
        self.first_port = first + 1
        self.sections = sections
        super().__init__(pools, sections, **more)
        self.port = first

    def demand_file(self, pool):
        """Of a pool that there was when the daemon was stopped; it is read when that starts."""
        return self.directory / "data/store/demand" / (pool.id + ".demand")

    def at(self, shard):
        """This daemon, as one shard alone answers."""
        return At(self, shard)

    def kill_shard(self, shard):
        pid = self.shard_pids()[shard]
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop_shard(self, shard):
        """As a shard that hangs."""
        self.hanging.add(shard)
        os.kill(self.shard_pids()[shard], signal.SIGSTOP)

    def continue_shard(self, shard):
        os.kill(self.shard_pids()[shard], signal.SIGCONT)
        self.hanging.discard(shard)

    def wait_until_serving(self):
        def serving():
            try:
                return all(self.at(i).get("/readyz").status == 200 for i in range(self.shards))
            except OSError:
                return False
        daemon.wait_until(serving, "all shards are ready")


class At:
    def __init__(self, fleet, shard):
        self.fleet = fleet
        self.port = fleet.first_port + shard

    connect, socket = Daemon.connect, Daemon.socket
    request, get, number, batch = Daemon.request, Daemon.get, Daemon.number, Daemon.batch

    def admin(self, method, target, body=None):
        headers = {"Authorization": "Bearer " + TOKEN}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self.request(method, target, None if body is None else json.dumps(body), headers)

    def metrics(self):
        """{"name{labels}": value}, of all shards that don't hang."""
        told = {}

        def whole():
            # A shard that was slow for a moment is left out, and told to be down.
            lines = self.get("/metrics").body.decode().splitlines()
            told.clear()
            told.update((line.rpartition(" ")[0], float(line.rpartition(" ")[2]))
                        for line in lines if not line.startswith("#"))
            return self.fleet.hanging or all(
                up for name, up in told.items() if name.startswith("ringmaster_shard_up{"))
        daemon.wait_until(whole, "all shards tell")
        return told

    def gates_are_healthy(self, count):
        """All of them, which must be so many."""
        states = [value for name, value in self.metrics().items()
                  if name.startswith("ringmaster_gate_state{") and '"healthy"' in name]
        return len(states) == count and all(states)


class Clients:
    """Asks over kept connections, side by side, until it is told to stop. What went wrong is in
    `failures`; each answer is given to `told(session, JSON, seconds)`, under a lock."""

    def __init__(self, port, targets, told, count=4, batch=None):
        self.stopping = threading.Event()
        self.failures, self.answers = [], 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(port, targets, told, i, batch))
                        for i in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self, port, targets, told, seed, batch):
        chance = random.Random(seed)
        connection = None
        try:
            while not self.stopping.is_set():
                if connection is None:
                    connection = daemon.http.client.HTTPConnection("127.0.0.1", port,
                                                                   timeout=daemon.PATIENCE_S)
                    asked_before = False
                what = chance.choice(targets)
                start = time.monotonic()
                try:
                    answer = (ask(connection, "POST", "/numbers", batch(what)) if batch else
                              ask(connection, "GET", what))
                except (daemon.http.client.RemoteDisconnected, ConnectionResetError):
                    # A kept connection that was closed while it was idle, before any byte came:
                    # every client asks again then, over a new one (RFC 9112, 9.3.1).
                    if not asked_before:
                        raise
                    connection.close()
                    connection = None
                    continue
                asked_before = True
                with self.lock:
                    self.answers += 1
                    if answer.status == 200:
                        told(what, answer.json, time.monotonic() - start)
                    else:
                        self.failures.append((what, answer.status, answer.body))
                if answer.headers.get("Connection", "").lower() == "close":
                    connection.close()
                    connection = None
        except Exception as error:
            with self.lock:
                self.failures.append(error)
        finally:
            if connection is not None:
                connection.close()

    def wait_for(self, answers):
        """Until there have been so many more."""
        until = self.answers + answers
        daemon.wait_until(lambda: self.answers >= until or self.failures, "there are answers")
