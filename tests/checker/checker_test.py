"""The checker is itself checked: allocators that break one promise each are convicted of that one,
by every seed; one that keeps them all is acquitted by every seed.

Most of it runs on a clock of its own, where requests overlap at random, the daemon's clock lags
behind, and kills leave requests without an answer. For each rule there is also a wrong daemon
behind real HTTP, under the load that load_test.py puts on the real one.
"""

import heapq
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from checker import RULES, SLACK_S, Rules, check  # noqa: E402
from history import (ERROR, NOT_HELD, NUMBER, OVERFLOW, RELEASED, UNKNOWN,  # noqa: E402
                     History, Kill, Release, Row, read_answer)
from impostor import DEFECTS, Allocator, Impostor, utc  # noqa: E402
import load  # noqa: E402
from load import QuietEnd, Traffic, Visitors, as_json  # noqa: E402
from ports import free_ports  # noqa: E402

OVERFLOW_NUMBER = "+18005550199"


def numbers(area_code, count):
    return frozenset("+1%d55501%02d" % (area_code, i) for i in range(count))


POOLS = {
    "small": Rules(numbers(201, 6), lifetime=1, overflow=OVERFLOW_NUMBER),
    "cooling": Rules(numbers(202, 20), lifetime=1, cooldown=0.7, overflow=OVERFLOW_NUMBER),
    "capped": Rules(numbers(203, 20), lifetime=4, max_hold=1.5, overflow=OVERFLOW_NUMBER),
    "strict": Rules(numbers(204, 8), lifetime=1),
    "roomy": Rules(numbers(205, 60), lifetime=1.5, overflow=OVERFLOW_NUMBER),
    "ordered": Rules(numbers(206, 24), lifetime=1, overflow=OVERFLOW_NUMBER),
    "lasting": Rules(numbers(207, 50), lifetime=60, overflow=OVERFLOW_NUMBER),
}
TRAFFIC = {
    "small": Traffic(share=1, newcomers=0.3, remembered=4, shared=3),
    "cooling": Traffic(share=1, newcomers=0.1, remembered=3),
    "capped": Traffic(share=1, newcomers=0.1, remembered=4),
    "strict": Traffic(share=1, newcomers=0.1, remembered=3, by_context=True),
    "roomy": Traffic(share=2, newcomers=0.1, remembered=5, shared=4),
}


QUIET_END = QuietEnd("ordered", 1, "lasting", "strict")


def simulate(seed, defect=None, seconds=10, kills=()):
    """The history of an allocator under load, on a clock that costs no time."""
    ahead = 1_800_000_000.25
    chance = random.Random("%s/times" % seed)
    allocator = Allocator(POOLS, seed, defect)
    history = History()
    visitors = [Visitors(seed, i, TRAFFIC) for i in range(load.CLIENTS)]
    kills = [Kill(time, time + 0.2) for time in kills]
    history.add_all(kills)
    # (instant, client, start, end, whether it takes effect then, whether that is told, what)
    coming = []

    def delay():
        return chance.expovariate(1 / 0.3) if chance.random() < 0.01 else chance.uniform(0, 0.02)

    def ask(client, start):
        instant = start + delay()
        end = instant + delay()
        kill = next((k for k in kills if start < k.end and end > k.start), None)
        if kill and kill.start <= start:
            return ask(client, kill.end)  # there was nobody to connect to
        effective = kill is None or instant < kill.start
        if kill:
            end = kill.start + chance.uniform(0, 0.01)
        heapq.heappush(coming, (min(instant, end), client, start, end, effective, kill is None,
                                visitors[client].next()))

    def act(rows, release, now):
        if release:
            return allocator.release(*release, now)
        return allocator.batch(list(map(as_json, rows)), now, now + ahead)

    for client in range(load.CLIENTS):
        ask(client, chance.uniform(0, 0.1))
    now = 0
    lives = iter(kills + [Kill(float("inf"), float("inf"))])
    kill = next(lives)
    while coming[0][0] < seconds:
        instant, client, start, end, effective, answered, what = heapq.heappop(coming)
        while kill.end < instant:
            allocator.restart()
            kill = next(lives)
        release = what if isinstance(what, tuple) else None
        told = None
        if effective:
            now = max(now, instant - chance.uniform(0, SLACK_S))
            told = act(what, release, now)
        if not answered:
            told = None
        if release:
            outcome = {None: UNKNOWN, True: RELEASED, False: NOT_HELD}[told]
            history.add(Release(start, end, *release, outcome))
        else:
            rows = [read_answer(asked, answer, start, end, ahead)
                    for asked, answer in zip(what, told or [None] * len(what))]
            history.add_all(rows)
            visitors[client].told(rows)
        ask(client, end + chance.expovariate(1 / 0.03))
    return history


class Simulated(unittest.TestCase):
    KILLS = (2.3, 5.1, 7.7)

    def test_the_right_one_is_acquitted(self):
        judged = dict.fromkeys(RULES, 0)
        for seed in range(25):
            report = check(simulate(seed, kills=self.KILLS), POOLS)
            self.assertEqual(report.broken(), set(), "seed %d: %s" % (seed, report))
            for rule in RULES:
                judged[rule] += report.judged[rule]
        for rule, count in judged.items():
            self.assertGreater(count, 0, rule)

    def test_each_wrong_one_is_convicted_of_what_it_does(self):
        for defect, rules in DEFECTS.items():
            kills = self.KILLS if rules == {"durability"} else ()
            for seed in range(3):
                with self.subTest(defect=defect, seed=seed):
                    report = check(simulate(seed, defect, kills=kills), POOLS)
                    self.assertEqual(report.broken(), rules, report)


class ByHand(unittest.TestCase):
    """What is sure and what is not, at the edges."""

    RULES = Rules(numbers(201, 2), lifetime=10, cooldown=5, overflow=OVERFLOW_NUMBER)
    A, B = sorted(RULES.numbers)
    ONLY_A = RULES._replace(numbers=frozenset([A]))

    def broken(self, *records, rules=RULES, slack=0.0):
        history = History()
        history.add_all(records)
        return check(history, {"p": rules}, slack).broken()

    def told(self, start, end, session, number):
        return Row(start, end, 1000, "p", session, NUMBER, number,
                   "-".join((number[2:5], number[5:8], number[8:])), utc(1000 + start + 10))

    def refused(self, start, end, session):
        return Row(start, end, 1000, "p", session, OVERFLOW, OVERFLOW_NUMBER, "800-555-0199",
                   reason="exhausted")

    def lost(self, start, end, session):
        return Row(start, end, 1000, "p", session, UNKNOWN)

    def released(self, start, end, session, number, outcome=RELEASED):
        return Release(start, end, "p", session, number, outcome)

    def test_uniqueness(self):
        def broken(*records, slack=0.0):
            return self.broken(self.told(0, 1, "s", self.A), *records, rules=self.ONLY_A,
                               slack=slack)

        self.assertEqual(broken(self.told(13, 14, "t", self.A)), {"uniqueness"})
        self.assertEqual(broken(self.told(14, 15, "t", self.A)), set())
        self.assertEqual(broken(self.told(0, 1, "t", self.A)), {"uniqueness"})
        self.assertEqual(broken(self.told(13, 14, "t", self.A), slack=1), set())

    def test_a_release_leaves_the_cool_down(self):
        def broken(*records):
            return self.broken(self.told(0, 1, "s", self.A), *records, rules=self.ONLY_A)

        for outcome in (RELEASED, UNKNOWN):
            release = self.released(2, 3, "s", self.A, outcome)
            self.assertEqual(broken(release, self.told(5, 6, "t", self.A)), {"uniqueness"})
            self.assertEqual(broken(release, self.told(6, 7, "t", self.A)), set())
        # One that was not done releases nothing; one before the touch has nothing to do with it.
        for release in (self.released(20, 21, "s", self.A, NOT_HELD),
                        self.released(-3, -2, "s", self.A)):
            self.assertEqual(broken(release, self.told(6, 7, "t", self.A)), {"uniqueness"})

    def test_stickiness(self):
        first = self.told(0, 1, "s", self.A)
        self.assertEqual(self.broken(first, self.told(8, 9, "s", self.B)), {"stickiness"})
        self.assertEqual(self.broken(first, self.told(9, 10, "s", self.B)), set())
        self.assertEqual(self.broken(first, self.released(2, 3, "s", self.A),
                                     self.told(8, 9, "s", self.B)), set())
        self.assertEqual(self.broken(first, self.released(8, 9, "s", self.A, NOT_HELD)),
                         {"stickiness"})

    def test_durability(self):
        seen = [self.told(0, 1, "s", self.A), Kill(2, 3)]
        self.assertEqual(self.broken(*seen, self.told(4, 5, "s", self.B)), {"durability"})
        self.assertEqual(self.broken(*seen, self.told(4, 5, "t", self.A)), {"durability"})

    def test_exhaustion(self):
        held = [self.told(0, 1, "s", self.A), self.told(0, 1, "t", self.B)]
        self.assertEqual(self.broken(*held, self.refused(15, 17, "u")), set())
        self.assertEqual(self.broken(*held, self.refused(17.5, 18.5, "u")), {"exhaustion"})
        self.assertEqual(self.broken(held[0], self.refused(2, 3, "u")), {"exhaustion"})
        # A request without an answer may have taken the other, or not yet given it back.
        self.assertEqual(self.broken(held[0], self.lost(1, 2, "t"), self.refused(3, 4, "u")), set())
        self.assertEqual(self.broken(*held, self.released(2, 3, "t", self.B, UNKNOWN),
                                     self.refused(9, 10, "u")), set())
        self.assertEqual(self.broken(*held, self.released(2, 3, "t", self.B),
                                     self.refused(9, 10, "u")), {"exhaustion"})
        # What was cut off may have been carried out as long as that lasted.
        both = [self.lost(1, 2, "t"), self.told(4, 5, "s", self.A)]
        self.assertEqual(self.broken(*both, self.refused(17.5, 18.5, "u")), {"exhaustion"})
        self.assertEqual(self.broken(*both, Kill(1.5, 4), self.refused(17.5, 18.5, "u")), set())
        self.assertEqual(self.broken(*both, Kill(1.5, 4), self.refused(19.5, 20, "u")),
                         {"exhaustion"})
        # At each instant one of them was free, even if neither was all the time; or not.
        self.assertEqual(self.broken(held[0], self.told(17, 18, "t", self.B),
                                     self.refused(15, 19, "u")), {"exhaustion"})
        self.assertEqual(self.broken(held[0], self.told(15, 16, "t", self.B),
                                     self.refused(14, 19, "u")), set())

    def test_least_recently_used(self):
        old, new = self.told(0, 1, "s", self.A), self.told(2, 3, "t", self.B)
        self.assertEqual(self.broken(old, new, self.told(20, 21, "u", self.A)), set())
        self.assertEqual(self.broken(old, new, self.told(20, 21, "u", self.B)), {"lru"})
        self.assertEqual(self.broken(new, self.told(20, 21, "u", self.B)), {"lru"})
        # Here it can't be told which was free longer; there, whether it was free.
        self.assertEqual(self.broken(self.told(0, 2, "s", self.A), self.told(1, 3, "t", self.B),
                                     self.told(20, 21, "u", self.B)), set())
        self.assertEqual(self.broken(old, new, self.told(20, 22, "v", self.A),
                                     self.told(21, 23, "u", self.B)), set())
        # It is no newcomer; or a request without an answer may have had the other.
        self.assertEqual(self.broken(old, new, self.told(20, 21, "t", self.B)), set())
        self.assertEqual(self.broken(old, new, self.lost(3, 4, "s"),
                                     self.told(20, 21, "u", self.B)), set())
        self.assertEqual(self.broken(old, self.lost(1, 1.5, "s"), new,
                                     self.told(20, 21, "u", self.B)), {"lru"})

    def test_answers(self):
        good = self.told(0, 1, "s", self.A)
        for wrong in (good._replace(formatted="201555-0100"), good._replace(request_id="7"),
                      good._replace(expires_at="2026-13-01T00:00:00Z"),
                      good._replace(number="+12025550100"),
                      good._replace(outcome=ERROR, reason="PoolExhausted"),
                      self.refused(0, 1, "s")._replace(number=self.A)):
            self.assertEqual(self.broken(wrong), {"answer"}, wrong)

    def test_expiry(self):
        good = self.told(0.5, 0.6, "s", self.A)
        self.assertEqual(self.broken(good), set())
        self.assertEqual(self.broken(good._replace(expires_at=utc(1009))), {"expiry"})
        self.assertEqual(self.broken(good._replace(expires_at=utc(1011))), {"expiry"})

        # What it prolonged is told too early by no more than the request took.
        rules = self.RULES._replace(lifetime=20, max_hold=2)
        first, again = self.told(0, 0.1, "s", self.A), self.told(4, 4.1, "s", self.A)
        first = first._replace(expires_at=utc(1020))
        for request_s, told, broken in ((0.1, 1019, set()), (0.1, 1018, {"expiry"}),
                                        (1.2, 1018, set()), (1.2, 1017, {"expiry"})):
            late = again._replace(end=4 + request_s, expires_at=utc(told))
            self.assertEqual(self.broken(first, late, rules=rules), broken, (request_s, told))


class OverHttp(unittest.TestCase):
    """Also that the load reaches what each rule needs, and that it is recorded as it was."""

    def judge(self, defect, kills, seconds):
        daemon = Impostor(Allocator(POOLS, 1, defect), free_ports())
        daemon.start()
        try:
            history = load.run(daemon, TRAFFIC, seed=1, seconds=seconds, pause_s=0.02, kills=kills,
                               quiet_end=QUIET_END)
        finally:
            daemon.kill()
        return check(history, POOLS)

    def test_the_right_one_is_acquitted(self):
        report = self.judge(None, kills=True, seconds=4)
        self.assertEqual(report.broken(), set(), report)
        for rule, count in report.judged.items():
            self.assertGreater(count, 0, rule)

    def test_a_wrong_one_for_each_rule_is_convicted(self):
        for defect in ("takes another pool's number", "tells too short a time",
                       "hands out what is held", "forgets a session", "forgets at restart",
                       "overflows too early", "hands out the most recently used"):
            rules = DEFECTS[defect]
            with self.subTest(defect=defect):
                report = self.judge(defect, kills=rules == {"durability"}, seconds=2)
                self.assertEqual(report.broken(), rules, report)


if __name__ == "__main__":
    unittest.main(verbosity=2)
