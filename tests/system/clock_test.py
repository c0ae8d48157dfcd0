"""The wall clock leaps by hours, both ways, while the daemon runs and while it does not: nobody gets
a number too early, and nobody loses his."""

import email.utils
import pathlib
import unittest

import daemon
from daemon import Daemon, Pool, numbers

POOL = Pool("autos", "k", numbers(201, 3), lifetime_seconds=1800, cooldown_seconds=300)
BRIEF = Pool("boats", "k", numbers(202, 1), lifetime_seconds=1)
LIBRARIES = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@unittest.skipUnless(LIBRARIES, "libfaketime is not installed")
class WallClock(unittest.TestCase):
    def setUp(self):
        self.d = Daemon([POOL, BRIEF])
        self.addCleanup(self.d.__exit__)
        self.clock = self.d.directory / "clock"
        self.set_clock(0)
        self.d.environment = {
            "LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.d.start()
        self.held = {s: self.d.number(POOL, s).json["number"] for s in "abc"}

    def set_clock(self, hours):
        # Renamed, because it may be read at any time.
        draft = self.clock.with_suffix(".new")
        draft.write_text("%+dh\n" % hours)
        draft.replace(self.clock)

    def date(self):
        """What the daemon's wall clock says, in hours since the epoch."""
        date = self.d.get("/ping").headers["Date"]
        return email.utils.parsedate_to_datetime(date).timestamp() / 3600

    def expect_promises(self):
        for session, number in self.held.items():
            self.assertEqual(self.d.number(POOL, session).json["number"], number)
        self.assertEqual(self.d.number(POOL, "d").json["reason"], "exhausted")

    def test_leaps_while_it_runs(self):
        before = self.date()
        for hours in (5, -5, 48, -48, 0):
            self.set_clock(hours)
            daemon.wait_until(lambda: abs(self.date() - before - hours) < 1, "the clock leaps")
            self.expect_promises()

    def test_leaps_between_two_lives(self):
        before = self.date()
        for hours, end in ((5, self.d.stop), (-5, self.d.kill), (48, self.d.kill),
                           (-48, self.d.stop)):
            end()
            self.set_clock(hours)
            self.d.start()
            self.assertLess(abs(self.date() - before - hours), 1)
            self.expect_promises()

    def test_a_clock_set_back_prolongs_nothing(self):
        self.assertNotIn("overflow", self.d.number(BRIEF, "first").json)
        for hours, restart in ((-5, False), (-10, True)):
            self.set_clock(hours)
            if restart:
                self.d.kill()
                self.d.start()
            daemon.wait_until(
                lambda: "overflow" not in self.d.number(BRIEF, "after %d" % hours).json,
                "the lifetime is over")


if __name__ == "__main__":
    daemon.main()
