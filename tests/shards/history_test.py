"""Several shards under load, one of which is killed or hangs now and then, or all are killed; the
history of what clients were told is judged by the independent checker.

    CHECKER_SECONDS=600 CHECKER_SEED=7 tests/shards/history_test.py

loads them for 600 s in place of 20. See tests/checker/load_test.py.
"""

import os
import pathlib
import random
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "checker"))

import fleet  # noqa: E402
from fleet import Fleet, daemon, owner, pool_id  # noqa: E402
from daemon import Pool, main, numbers  # noqa: E402
from checker import RULES, check  # noqa: E402
import load  # noqa: E402
import load_test  # noqa: E402

SECONDS = float(os.environ.get("CHECKER_SECONDS", 20))
SEED = int(os.environ.get("CHECKER_SEED", random.randrange(1 << 31)))
SHARDS = 2
PROBES = [Pool(pool_id(SHARDS, i, "-probe"), "k", numbers(408 + i)) for i in range(SHARDS)]


class Faulty(Fleet):
    """Whose kill() is one of many faults, and whose start() ends it."""

    def __init__(self, seed, store):
        self.chance = random.Random("%s/faults" % seed)
        self.fault, self.faults, self.spans = None, [], []
        super().__init__([*load_test.POOLS, *PROBES], SHARDS, {
            "server": {"request_timeout_ms": 30000}, "store": store})
        self.running = False

    def kill(self):
        if not self.running:
            return super().kill()
        self.began = time.monotonic()
        self.fault = self.chance.choice(["kill", "kill", "hang", "all"])
        self.shard = self.chance.randrange(SHARDS)
        self.faults.append(self.fault)
        if self.fault == "all":
            super().kill()
        elif self.fault == "kill":
            self.killed = self.kill_shard(self.shard)
        else:
            self.stop_shard(self.shard)

    def start(self, wait=True):
        if self.fault == "kill":
            daemon.wait_until(lambda: self.shard_pids().get(self.shard) not in (None, self.killed),
                              "the shard is forked again")
        elif self.fault == "hang":
            self.continue_shard(self.shard)
        else:
            super().start(wait)
        self.wait_until_serving()
        self.wait_until_gates_are_open()
        if self.fault:
            shards = range(SHARDS) if self.fault == "all" else [self.shard]
            self.spans.append((self.began, time.monotonic(), shards))
        self.fault = None
        return self

    def wait_until_gates_are_open(self):
        """They need calls for that, in pools that nobody else asks for."""
        def open():
            for i in range(SHARDS):
                connection = self.at(i).connect()
                for n in range(10):
                    for pool in PROBES:
                        daemon.ask(connection, "GET", daemon.numbers_target(pool, "p%d" % n))
                connection.close()
            return self.at(0).gates_are_healthy(SHARDS * (SHARDS - 1))
        daemon.wait_until(open, "all gates are open")

    def unavailable(self):
        return {pool.id: [(start, end) for start, end, shards in self.spans
                          if owner(pool.id, SHARDS) in shards] for pool in load_test.POOLS}


class Histories(unittest.TestCase):
    def episode(self, seed, fsync, seconds):
        store = {"fsync": fsync, "segment_bytes": 64 << 10, "snapshot_after_bytes": 256 << 10}
        with Faulty(seed, store) as d:
            d.running = True
            history = load.run(d, {pool.id: t for pool, t in load_test.POOLS.items()}, seed,
                               seconds, pause_s=0.004, quiet_end=load_test.QUIET_END)
            d.running = False
            unavailable = d.unavailable()
            faults = d.faults
        report = check(history, {pool.id: load_test.rules_of(pool) for pool in load_test.POOLS},
                       unavailable=unavailable)
        print("seed %d, fsync %s: %d rows, %d releases, faults: %s; %s" % (
            seed, fsync, len(history.rows), len(history.releases), " ".join(faults), report),
            flush=True)
        return history, report

    def test_keeps_its_promises(self):
        print("CHECKER_SEED=%d" % SEED)
        judged, broken = dict.fromkeys(RULES, 0), []
        episodes = max(2, round(SECONDS / load_test.EPISODE_S))
        for i in range(episodes):
            _, report = self.episode(SEED + i, ("always", "everysec")[i % 2], SECONDS / episodes)
            for rule in RULES:
                judged[rule] += report.judged[rule]
            if report.broken():
                broken.append("seed %d: %s" % (SEED + i, report))
        self.assertEqual(broken, [], "\n".join(broken))
        for rule in RULES:
            self.assertGreater(judged[rule], 0, rule + ": nothing was judged")

    def test_the_pools_are_spread(self):
        self.assertEqual({fleet.owner(pool.id, SHARDS) for pool in load_test.POOLS},
                         set(range(SHARDS)))


if __name__ == "__main__":
    main()
