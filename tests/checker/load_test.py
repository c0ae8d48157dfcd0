"""The real daemon under load, with kills in between, judged by the independent checker.

    CHECKER_SECONDS=600 CHECKER_SEED=7 RINGMASTER_BINARY=build/release/ringmaster \\
        tests/checker/load_test.py

loads it for 600 s in place of 15, in episodes of a new data directory each: episode i has seed
7 + i, and they take turns at fsync = "always", "everysec" and "never". Without CHECKER_SEED, one is
chosen, and printed. A seed decides what the clients ask and when the daemon is killed, but not how
the requests interleave, so a finding may take several runs to come back. The histories of episodes
with findings are kept in CHECKER_KEEP, if that names a directory.
"""

import os
import pathlib
import random
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from checker import RULES, Rules, check  # noqa: E402
from daemon import Daemon, Pool, numbers  # noqa: E402
from history import NOT_HELD, RELEASED, UNKNOWN, Writer  # noqa: E402
import load  # noqa: E402
from load import KEY, QuietEnd, Traffic  # noqa: E402
from ports import free_ports  # noqa: E402

SECONDS = float(os.environ.get("CHECKER_SECONDS", 15))
SEED = int(os.environ.get("CHECKER_SEED", random.randrange(1 << 31)))
KEEP = os.environ.get("CHECKER_KEEP")
OUTCOMES = (RELEASED, NOT_HELD, UNKNOWN)
EPISODE_S = 8    # and some more for the quiet end

# Small ones that are often exhausted, large ones in which the order can be judged, and one whose
# lifetime is longer than any restart, so that each kill finds holds that must survive it.
POOLS = {
    Pool("tiny", KEY, numbers(201, 6), lifetime_seconds=1):
        Traffic(share=0.5, newcomers=0.3, remembered=4, shared=3),
    Pool("cooling", KEY, numbers(202, 40), lifetime_seconds=1, cooldown_seconds=1):
        Traffic(share=0.5, newcomers=0.05, remembered=4),
    Pool("capped", KEY, numbers(203, 60), lifetime_seconds=2, max_hold_seconds=3):
        Traffic(share=1, newcomers=0.02, remembered=8),
    Pool("strict", KEY, numbers(204, 12), lifetime_seconds=1, allow_overflow=False):
        Traffic(share=0.5, newcomers=0.1, remembered=3, by_context=True),
    Pool("roomy", KEY, numbers(205) + numbers(206, 60), lifetime_seconds=1):
        Traffic(share=2, newcomers=0.04, remembered=8, shared=10),
    Pool("ordered", KEY, numbers(207, 24), lifetime_seconds=1):
        Traffic(share=0, newcomers=0, remembered=0),
    Pool("lasting", KEY, [n for i in range(40) for n in numbers(301 + i)], lifetime_seconds=60):
        Traffic(share=2, newcomers=0.1, remembered=300, shared=20, releases=False),
}

QUIET_END = QuietEnd("ordered", 1, "lasting", "tiny")


def rules_of(pool):
    of = pool.settings.get
    return Rules(frozenset(pool.numbers), of("lifetime_seconds"), of("cooldown_seconds", 0),
                 of("max_hold_seconds", 0), of("overflow_number", ""))


def keep(history, path):
    writer = Writer(path)
    writer.add_all(history.rows + history.releases + history.kills)
    writer.close()


class Load(unittest.TestCase):
    def episode(self, seed, fsync, seconds):
        # Segments and snapshots so small that kills hit their making; a slow disk is no failure.
        sections = {"server": {"listen": "127.0.0.1:%d" % free_ports(), "request_timeout_ms": 30000},
                    "store": {"fsync": fsync, "segment_bytes": 64 << 10,
                              "snapshot_after_bytes": 256 << 10}}
        with Daemon(list(POOLS), sections) as daemon:
            history = load.run(daemon, {pool.id: traffic for pool, traffic in POOLS.items()}, seed,
                               seconds, pause_s=0.004, quiet_end=QUIET_END)
        report = check(history, {pool.id: rules_of(pool) for pool in POOLS})
        refused = [release for release in history.releases if release.outcome not in OUTCOMES]
        self.assertEqual(refused, [])
        print("seed %d, fsync %s: %d rows, %d releases, %d kills; %s" % (
            seed, fsync, len(history.rows), len(history.releases), len(history.kills), report),
            flush=True)
        if report.broken() and KEEP:
            keep(history, pathlib.Path(KEEP) / ("history-%d" % seed))
        return history, report

    def test_keeps_its_promises(self):
        print("CHECKER_SEED=%d" % SEED)
        judged, broken = dict.fromkeys(RULES, 0), []
        rows = kills = 0
        episodes = max(3, round(SECONDS / EPISODE_S))
        for i in range(episodes):
            fsync = ("always", "everysec", "never")[i % 3]
            history, report = self.episode(SEED + i, fsync, SECONDS / episodes)
            rows += len(history.rows)
            kills += len(history.kills)
            for rule in RULES:
                judged[rule] += report.judged[rule]
            if report.broken():
                broken.append("seed %d: %s" % (SEED + i, report))
        print("in all %d rows, %d kills, judged: %s" % (rows, kills, judged))
        self.assertEqual(broken, [], "\n".join(broken))
        self.assertGreater(kills, 0)
        for rule in RULES:
            self.assertGreater(judged[rule], 0, rule + ": nothing was judged")


if __name__ == "__main__":
    unittest.main(verbosity=2)
