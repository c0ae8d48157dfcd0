"""Three daemons on one Redis under load, of which one or all, or Redis itself, is killed now and then;
the history of what clients were told is judged by the independent checker.

    CHECKER_SECONDS=600 CHECKER_SEED=7 tests/redis_daemons/history_test.py

loads them for 600 s in place of 20. See tests/checker/load_test.py.
"""

import os
import random
import time
import unittest

from daemons import Daemons
from daemon import Pool, main, numbers, wait_until
from redis_server import RedisServer
from checker import RULES, check
import load
import load_test

SECONDS = float(os.environ.get("CHECKER_SECONDS", 20))
# Who is not in the history asks for numbers of this pool alone.
PROBE = Pool("probe", load.KEY, numbers(408))
SEED = int(os.environ.get("CHECKER_SEED", random.randrange(1 << 31)))


class Faulty(Daemons):
    """Whose kill() is one of many faults, and whose start() ends it."""

    def __init__(self, redis, seed):
        self.chance = random.Random("%s/faults" % seed)
        self.redis = redis
        self.faults, self.spans = [], []
        super().__init__(redis, [*load_test.POOLS, PROBE],
                         sections={"server": {"request_timeout_ms": 30000}})
        self.running = False

    def kill(self):
        self.began = time.monotonic()
        self.fault = self.chance.choice(["daemon", "daemon", "all", "redis", "hang"])
        self.faults.append(self.fault)
        if self.fault == "redis":
            self.redis.kill()
        elif self.fault == "hang":
            self.redis.stop_answering()
        else:
            self.down = self.all if self.fault == "all" else [self.chance.choice(self.all)]
            for d in self.down:
                d.kill()

    def start(self, wait=True):
        if not self.running:
            return super().start()
        if self.fault == "redis":
            self.redis.start()
        elif self.fault == "hang":
            self.redis.go_on()
        else:
            for d in self.down:
                d.start()
        for d in self.all:
            d.wait_until_ready()
        wait_until(self.gates_are_open, "all gates are open")
        if self.fault in ("redis", "hang"):
            self.spans.append((self.began, time.monotonic()))
        return self

    def gates_are_open(self):
        """They need calls for that, of a pool that nobody else asks for."""
        for d in self.all:
            for n in range(10):
                d.number(PROBE, "v%d" % n)
        return all(d.at(0).gates_are_healthy(1) for d in self.all)


class Histories(unittest.TestCase):
    def episode(self, seed, seconds):
        # What is acknowledged is on the disk: Redis is killed, too.
        with RedisServer(appendonly="yes", appendfsync="always") as redis:
            with Faulty(redis, seed) as d:
                d.wait_until_known(*load_test.POOLS, PROBE)
                d.running = True
                history = load.run(d, {pool.id: t for pool, t in load_test.POOLS.items()}, seed,
                                   seconds, pause_s=0.004, quiet_end=load_test.QUIET_END)
                d.running = False
        report = check(history, {pool.id: load_test.rules_of(pool) for pool in load_test.POOLS},
                       unavailable={pool.id: d.spans for pool in load_test.POOLS})
        print("seed %d: %d rows, %d releases, faults: %s; %s" % (
            seed, len(history.rows), len(history.releases), " ".join(d.faults), report), flush=True)
        return report

    def test_keeps_its_promises(self):
        print("CHECKER_SEED=%d" % SEED)
        judged, broken = dict.fromkeys(RULES, 0), []
        episodes = max(2, round(SECONDS / load_test.EPISODE_S))
        for i in range(episodes):
            report = self.episode(SEED + i, SECONDS / episodes)
            for rule in RULES:
                judged[rule] += report.judged[rule]
            if report.broken():
                broken.append("seed %d: %s" % (SEED + i, report))
        self.assertEqual(broken, [], "\n".join(broken))
        for rule in RULES:
            self.assertGreater(judged[rule], 0, rule + ": nothing was judged")


if __name__ == "__main__":
    main()
