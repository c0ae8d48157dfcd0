"""ringmaster replay: what would have come of recorded requests with other pools."""
import json
import pathlib
import unittest

import daemon
from daemon import Daemon, Pool, command, numbers

AUTOS = Pool("autos", "A329F4DC", numbers(201, 20), lifetime_seconds=1800)
BOATS = Pool("boats", "77AA01", numbers(202, 5), lifetime_seconds=600, cooldown_seconds=60)


def replay(*arguments):
    return command("replay", *arguments)


class Replay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon([AUTOS, BOATS])
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.daemon.start()
        for visit in range(2):
            for visitor in range(8):
                cls.daemon.number(AUTOS, "v-%d" % visitor)
        for visitor in range(4):
            cls.daemon.number(BOATS, "v-%d" % visitor)

    def of(self, *arguments):
        done = replay("--config", self.daemon.config, "--json", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def pool(self, id, *arguments):
        (pool,) = [pool for pool in self.of(*arguments)["pools"] if pool["pool"] == id]
        return pool

    def test_as_it_was(self):
        report = self.of()
        self.assertTrue(report["from_the_begin"])
        self.assertEqual((report["damages"], report["left_out"]), (0, 0))
        self.assertLessEqual(report["begin"], report["end"])
        self.assertEqual([pool["pool"] for pool in report["pools"]], ["autos", "boats"])
        autos = report["pools"][0]
        self.assertEqual((autos["requests"], autos["sessions"], autos["sessions_exact"]), (16, 8, True))
        recorded = autos["recorded"]
        self.assertEqual((recorded["holds"], recorded["touches"], recorded["most_held"],
                          recorded["never_used"], recorded["numbers"]), (8, 8, 8, 12, 20))
        self.assertNotIn("overflows", recorded)
        replayed = dict(autos["replayed"])
        self.assertEqual((replayed.pop("overflows"), replayed.pop("overflow_share")), (0, 0))
        self.assertEqual(replayed, recorded)
        self.assertTrue(any("overflow" in note for note in report["notes"]))

    def test_other_pools(self):
        autos = self.pool("autos", "--numbers", 6)
        self.assertEqual(autos["replayed"]["numbers"], 6)
        # Two visitors find none, on both of their visits.
        self.assertEqual(autos["replayed"]["overflows"], 4)
        self.assertAlmostEqual(autos["replayed"]["overflow_share"], 0.25)
        self.assertEqual(sum(hour["overflows"] for hour in autos["hours"]), 4)
        self.assertEqual(sum(hour["requests"] for hour in autos["hours"]), 16)
        self.assertEqual(self.pool("autos", "--numbers-percent", 30)["replayed"], autos["replayed"])
        self.assertEqual(self.pool("boats", "--numbers-percent", 40)["replayed"]["overflows"], 2)
        rules = self.pool("boats", "--lifetime", 7200, "--cooldown", 30, "--max-hold", 9000)["replayed"]
        self.assertEqual((rules["lifetime_seconds"], rules["cooldown_seconds"], rules["max_hold_seconds"]),
                         (7200, 30, 9000))

    def test_pools_and_times(self):
        report = self.of("--pool", "boats")
        self.assertEqual([pool["pool"] for pool in report["pools"]], ["boats"])
        self.assertEqual(len(self.of("--pool", "boats", "--pool", "autos")["pools"]), 2)
        later = self.of("--from", "2100-01-01T00:00:00Z")
        self.assertNotIn("begin", later)
        self.assertEqual(later["pools"][0]["requests"], 0)
        self.assertEqual(self.of("--to", "1000")["pools"][0]["requests"], 0)

    def test_for_people(self):
        done = replay("--config", self.daemon.config, "--pool", "autos", "--numbers", 6)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("autos: 16 requests of 8 sessions\n", done.stdout)
        self.assertRegex(done.stdout, r"numbers +20 +6\n")
        self.assertRegex(done.stdout, r"lifetime +30 min +30 min\n")
        self.assertRegex(done.stdout, r"overflows +not recorded +4 \(25\.00 %\)\n")
        self.assertRegex(done.stdout, r"[0-9]{4}-[0-9-]+ [0-9]{2}:00:00 UTC +[0-9]+ +[1-4] \(")
        self.assertIn("Note: ", done.stdout)

    def test_data_dir(self):
        directory = next(pathlib.Path(self.daemon.directory).rglob("layout")).parent
        done = replay("--data-dir", directory, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(json.loads(done.stdout)["pools"]), 2)

    def test_what_is_wrong_is_told(self):
        def fails(status, text, *arguments):
            done = replay("--config", self.daemon.config, *arguments)
            self.assertEqual((done.returncode, done.stdout), (status, ""), arguments)
            self.assertIn(text, done.stderr)
        fails(3, "trains", "--pool", "trains")
        fails(3, "not a directory", "--data-dir", "/nonexistent")
        fails(2, "--from", "--from", "yesterday")
        fails(2, "--to", "--from", "2000", "--to", "1000")
        fails(2, "--numbers", "--numbers", "0")
        fails(2, "--numbers", "--numbers", "5", "--numbers-percent", "50")
        fails(2, "--lifetime", "--lifetime", "9999999")


class DamagedJournal(unittest.TestCase):
    def test_damage_is_told_and_the_rest_is_replayed(self):
        served = Daemon([AUTOS])
        self.addCleanup(served.__exit__)
        served.start()
        for visitor in range(8):
            served.number(AUTOS, "v-%d" % visitor)
        self.assertEqual(served.stop(), 0)
        journal = min(pathlib.Path(served.directory).rglob("journal-*.log"))
        with open(journal, "r+b") as file:
            file.seek(64 + 20)
            file.write(b"?")
        done = replay("--config", served.config, "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn("%s:64: damaged: " % journal, done.stderr)
        self.assertEqual(json.loads(done.stdout)["damages"], 1)


if __name__ == "__main__":
    daemon.main()
