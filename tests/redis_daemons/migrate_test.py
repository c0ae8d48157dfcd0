"""Pools move from a data directory into Redis and back, and nobody loses a number by it."""

import contextlib
import json
import signal
import socket
import subprocess
import threading
import unittest

from daemons import RedisDaemon, fleet
from daemon import BINARY, PATIENCE_S, Pool, command, main, numbers
from redis_server import Cluster, RedisServer

AUTOS = Pool("autos", "A329F4DC", numbers(201), lifetime_seconds=3600, cooldown_seconds=60)
BOATS = Pool("boats", "77AA01", numbers(202, 6), lifetime_seconds=3600)


def source_of(session):
    return str(int(session.split()[1]) % 4)


class Before:
    """Stands before Redis, and passes on both ways; of what comes only so many bytes."""

    def __init__(self, redis, most):
        self.redis, self.left = redis, most
        self.enough = threading.Event()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.thread = threading.Thread(target=self.accept)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.door.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.door.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.door.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.redis.port))
                for way in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self.pass_on, args=way).start()

    def pass_on(self, source, target, comes):
        with contextlib.suppress(OSError), source:
            while data := source.recv(65536):
                if comes:
                    data = data[:self.left]
                    self.left -= len(data)
                target.sendall(data)
                if comes and self.left == 0:
                    self.enough.set()
            target.shutdown(socket.SHUT_WR)


class Migration(unittest.TestCase):
    def setUp(self):
        self.redis = RedisServer()
        self.addCleanup(self.redis.__exit__)
        self.redis.__enter__()
        # Two shards: what they have is put together.
        self.old = fleet.Fleet([AUTOS, BOATS], 2, {"store": {"data_dir": "data"}})
        self.addCleanup(self.old.__exit__)
        self.data = self.old.directory / "data"
        self.told = {}

    def load(self):
        """A store with a past."""
        with_token = self.old.at(0).admin
        for n in range(150):
            pool = AUTOS if n % 3 else BOATS
            session = "visitor %d" % (n % 70)
            answer = self.old.number(pool, session, source=source_of(session)).json
            if "overflow" not in answer:
                self.told[pool.id, session] = answer["number"]
        for session in ("visitor 1", "visitor 4"):
            number = self.told.pop(("autos", session))
            query = "/numbers/%s?pool=autos&key=A329F4DC&session=%s" % (
                number.replace("+", "%2B"), session.replace(" ", "%20"))
            self.assertEqual(self.old.request("DELETE", query).status, 204)
        self.assertEqual(with_token("DELETE", "/sessions/visitor%202").status, 200)
        del self.told["autos", "visitor 2"]
        # One that drains, with its holder; and one that goes to another pool, with its past.
        self.draining = self.told["autos", "visitor 5"]
        self.moved = numbers(201)[90]
        for number in (self.draining, self.moved):
            target = "/pools/autos/numbers/" + number.replace("+", "%2B")
            self.assertIn(with_token("DELETE", target).status, (200, 204))
        self.assertEqual(with_token("POST", "/pools/boats/numbers", [self.moved]).status, 200)

    def migrate(self, *arguments):
        done = command("migrate", "--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def history(self, d, number):
        answer = d.admin("GET", "/numbers/%s?history=50" % number.replace("+", "%2B"))
        return [{key: value for key, value in holder.items()
                 if key in ("pool", "session", "context", "state", "erased")}
                for holder in answer.json["holders"]]

    def check(self, d):
        for (pool_id, session), number in self.told.items():
            pool = AUTOS if pool_id == "autos" else BOATS
            answer = d.number(pool, session, source=source_of(session)).json
            self.assertEqual(answer["number"], number)
        self.assertEqual(self.told["autos", "visitor 5"], self.draining)
        figures = d.admin("GET", "/pools/autos").json["figures"]
        self.assertEqual(figures["draining"], 1, figures)

    def test_there_and_back(self):
        self.old.start()
        self.load()
        histories = {n: self.history(self.old.at(0), n) for n in [*AUTOS.numbers, *BOATS.numbers]
                     if n in self.told.values()}
        self.old.stop()
        there = self.migrate("--from", self.data, "--to", self.redis.url)
        self.assertEqual((there["pools"], there["numbers"]), (2, 106))
        self.assertGreater(there["holds"], 60)
        with RedisDaemon(self.redis) as d:
            for number, past in histories.items():
                self.assertEqual(self.history(d, number), past, number)
            self.check(d)
            d.stop()
        target = self.old.directory / "back"
        back = self.migrate("--from", self.redis.url, "--to", target)
        self.assertEqual((back["pools"], back["numbers"]), (2, 106))
        self.assertGreaterEqual(back["holds"], there["holds"])
        again = fleet.Fleet([], 3, {"store": {"data_dir": str(target)}})
        with again:
            for number, past in histories.items():
                self.assertEqual(self.history(again.at(0), number)[-len(past):], past, number)
            self.check_fleet(again)

    def check_fleet(self, d):
        d.admin = d.at(1).admin
        self.check(d)

    def test_what_is_taken_is_refused(self):
        self.old.start()
        self.load()
        busy = command("migrate", "--from", self.data, "--to", self.redis.url)
        self.assertEqual(busy.returncode, 1)
        self.assertIn("another process", busy.stderr)
        self.old.stop()
        with RedisDaemon(self.redis, [Pool("other", "k", numbers(303))]) as d:
            d.stop()
        taken = command("migrate", "--from", self.data, "--to", self.redis.url)
        self.assertEqual(taken.returncode, 1)
        self.assertIn("this Redis has", taken.stderr)
        # Under another prefix there is room.
        self.migrate("--from", self.data, "--to", self.redis.url, "--prefix", "second")
        nowhere = command("migrate", "--from", "/nonexistent", "--to", self.redis.url)
        self.assertEqual(nowhere.returncode, 3)

    def test_goes_on_after_it_was_killed(self):
        self.old.start()
        self.load()
        self.old.stop()
        kills, most, done = 0, 500, False
        while not done:
            with Before(self.redis, most) as before:
                process = subprocess.Popen(
                    [BINARY, "migrate", "--json", "--from", self.data, "--to",
                     "redis://127.0.0.1:%d" % before.port],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                while process.poll() is None and not before.enough.wait(0.001):
                    pass
                if before.enough.is_set():
                    process.kill()
                out, err = process.communicate(timeout=PATIENCE_S)
            if process.returncode == 0:
                told, done = json.loads(out), True
                self.assertEqual((told["pools"], told["numbers"]), (2, 106))
            elif process.returncode != -signal.SIGKILL:
                # The last one was killed when all was there, and it only read it once more.
                self.assertIn("this Redis has", err)
                done = True
            else:
                kills += 1
            most += most // 4
        self.assertGreater(kills, 5)
        with RedisDaemon(self.redis) as d:
            self.check(d)

    def test_into_a_cluster(self):
        self.old.start()
        self.load()
        self.old.stop()
        with Cluster() as cluster:
            self.migrate("--from", self.data, "--to", cluster.url)
            with RedisDaemon(cluster) as d:
                self.check(d)


if __name__ == "__main__":
    main()
