"""kill -9 under load, many times: whatever was acknowledged is still there after the restart, and
no number is held by two sessions.

Each client has sessions of its own and remembers what it was told of each. What it asked for and
had no answer to may have happened or not; it forgets that session.
"""

import http.client
import json
import random
import threading
import time
import unittest

import daemon
from daemon import Daemon, Pool, ask, numbers, numbers_target, row

CLIENTS = 4
SESSIONS = 60
ROWS = 8

# More numbers than sessions, so that overflow never hides a loss.
POOLS = [Pool("p%d" % i, "k", numbers(201 + i) + numbers(205 + i)) for i in range(2)]
assert CLIENTS * SESSIONS <= sum(len(pool.numbers) for pool in POOLS)


class Client(threading.Thread):
    def __init__(self, d, seed, held):
        super().__init__()
        self.daemon_process = d
        self.random = random.Random(seed)
        self.pool = POOLS[seed % len(POOLS)]
        self.sessions = ["%d-%d" % (seed, i) for i in range(SESSIONS)]
        self.held = held  # session: number, of this client
        self.operations = 0
        self.failure = None

    def run(self):
        connection = self.daemon_process.connect()
        try:
            while True:
                if self.random.random() < 0.25 and self.held:
                    self.release(connection)
                else:
                    self.allocate(connection)
                self.operations += 1
        except (OSError, http.client.HTTPException):
            pass  # it was killed
        except Exception as error:
            self.failure = error
        finally:
            connection.close()

    def allocate(self, connection):
        sessions = self.random.sample(self.sessions, ROWS)
        rows = [row(self.pool, s, m=self.random.choice("abc") * 100) for s in sessions]
        answer = ask(connection, "POST", "/numbers", json.dumps({"requests": rows}))
        for session, told in zip(sessions, answer.json["responses"]):
            if "overflow" in told or "error_class" in told:
                raise AssertionError("%s was told %s" % (session, told))
            if self.held.setdefault(session, told["number"]) != told["number"]:
                raise AssertionError("%s held %s and was told %s" %
                                     (session, self.held[session], told))

    def release(self, connection):
        session = self.random.choice(list(self.held))
        number = self.held.pop(session)
        target = numbers_target(self.pool, session).replace(
            "/numbers?", "/numbers/%s?" % number.replace("+", "%2B"))
        answer = ask(connection, "DELETE", target)
        if answer.status not in (200, 204):
            raise AssertionError("%s can't give back %s: %s" % (session, number, answer.body))


class Crash(unittest.TestCase):
    def check_all(self, d, held):
        """Each session is given what it was told before, and no two are given the same."""
        given = {}
        for seed, told in enumerate(held):
            pool = POOLS[seed % len(POOLS)]
            sessions = sorted(told)
            for i in range(0, len(sessions), 50):
                part = sessions[i:i + 50]
                for session, now in zip(part, d.batch([row(pool, s) for s in part])
                                        .json["responses"]):
                    self.assertEqual(now["number"], told[session], session)
                    self.assertNotIn(now["number"], given,
                                     "%s and %s" % (session, given.get(now["number"])))
                    given[now["number"]] = session
        return len(given)

    def crash_many_times(self, rounds, store):
        chance = random.Random(rounds)
        held = [{} for _ in range(CLIENTS)]
        operations = checked = 0
        with Daemon(POOLS, {"store": store}) as d:
            for _ in range(rounds):
                clients = [Client(d, seed, held[seed]) for seed in range(CLIENTS)]
                for client in clients:
                    client.start()
                time.sleep(chance.uniform(0.02, 0.3))
                d.kill()
                for client in clients:
                    client.join()
                    if client.failure is not None:
                        raise client.failure
                operations += sum(client.operations for client in clients)
                d.start()
                checked += self.check_all(d, held)
            self.assertEqual(d.stop(), 0)
            d.start()
            checked += self.check_all(d, held)
        self.assertGreater(operations, rounds)
        self.assertGreater(checked, rounds)

    def test_sync_every_second(self):
        # Segments and snapshots so small that many of them are cut short.
        self.crash_many_times(20, {"fsync": "everysec", "segment_bytes": 64 << 10,
                                   "snapshot_after_bytes": 128 << 10})

    def test_sync_always(self):
        self.crash_many_times(8, {"fsync": "always", "segment_bytes": 64 << 10,
                                  "snapshot_after_bytes": 128 << 10})


if __name__ == "__main__":
    daemon.main()
