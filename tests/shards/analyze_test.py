"""Where the time went is told of a daemon that runs, and of one that was: `ringmaster analyze`."""

import json
import unittest

from fleet import PEERS, TOKEN, Fleet, pool_id  # fleet knows where daemon lies
from daemon import Pool, command, main, numbers, row, wait_until

SHARDS = 2
POOLS = [Pool(pool_id(SHARDS, i), "k", numbers(201 + i)) for i in range(SHARDS)]
# Often enough for a test.
RECORD = {"record": True, "directory": "analysis", "period_ms": 100}
SINGLES, BATCHES, ROWS = 30, 12, 5


class Analyze(unittest.TestCase):
    def start(self, sections=None):
        self.fleet = Fleet(POOLS, SHARDS, sections)
        self.addCleanup(self.fleet.__exit__)
        self.fleet.start()
        self.fleet.wait_until_serving()
        self.token = self.fleet.directory / "token"
        self.token.write_text(TOKEN + "\n")
        self.records = self.fleet.directory / "analysis"

    def ask_for_numbers(self):
        """Of shard 0, single ones of the other's pool; of shard 1 batches of its own."""
        for i in range(SINGLES):
            self.assertEqual(self.fleet.at(0).number(POOLS[1], "s%d" % i).status, 200)
        for i in range(BATCHES):
            rows = [row(POOLS[1], "b%d-%d" % (i, j)) for j in range(ROWS)]
            self.assertEqual(self.fleet.at(1).batch(rows).status, 200)

    def analyze(self, *arguments):
        told = command("analyze", *arguments)
        self.assertEqual(told.returncode, 0, told.stderr)
        return told.stdout

    def of_daemon(self, *arguments):
        url = "http://127.0.0.1:%d" % self.fleet.first_port
        return self.analyze("--url", url, "--token-file", self.token, *arguments)

    def recorded(self):
        """How many requests of each endpoint the files tell."""
        told = json.loads(self.analyze(self.records, "--json"))
        return {each["endpoint"]: each["requests"] for each in told["endpoints"]}

    def wait_until_recorded(self):
        def all_of_them():
            if command("analyze", self.records, "--json").returncode != 0:
                return False  # there is none yet, or nothing in it
            # Each shard writes its file when its own period is over.
            recorded = self.recorded()
            return (recorded.get("GET /numbers"), recorded.get("POST /numbers")) == (SINGLES,
                                                                                     BATCHES)
        wait_until(all_of_them, "the requests are in the files")

    def test_of_a_daemon_that_runs(self):
        self.start()
        self.ask_for_numbers()
        told = {}

        def all_told():  # a shard that was slow for a moment is left out
            told.update(json.loads(self.of_daemon("--seconds", 0, "--json")))
            return len(told["shards"]) == SHARDS
        wait_until(all_told, "both shards tell")
        endpoints = {each["endpoint"]: each for each in told["endpoints"]}
        self.assertEqual(endpoints["GET /numbers"]["requests"], SINGLES)
        self.assertEqual(endpoints["POST /numbers"]["requests"], BATCHES)
        # What one shard asks of another it waits for, and not for its own journal.
        single, batch = (endpoints[name]["mean"] for name in ("GET /numbers", "POST /numbers"))
        self.assertGreater(single["shards_s"], 0)
        self.assertEqual(single["journal_s"], 0)
        self.assertEqual(batch["shards_s"], 0)
        for mean in (single, batch):
            self.assertGreater(mean["running_s"], 0)
        self.assertEqual([each["shard"] for each in told["shards"]], [0, 1])
        for shard, rows in zip(told["shards"], (0, SINGLES + BATCHES * ROWS)):
            self.assertGreater(shard["utilisation"], 0)
            self.assertGreater(shard["requests_per_second"], 0)
            self.assertAlmostEqual(shard["rows_per_second"] * shard["observed_s"], rows, delta=0.01)
        text = self.of_daemon("--seconds", 1)
        for words in ("others", "running", "shard"):
            self.assertIn(words, text)

    def test_a_shard_that_is_not_there_is_told_of(self):
        self.start({"peers": PEERS})
        self.fleet.stop_shard(1)
        self.addCleanup(self.fleet.continue_shard, 1)
        self.assertEqual(self.fleet.at(0).number(POOLS[1], "s").json["overflow"], True)
        told = json.loads(self.of_daemon("--seconds", 0, "--json"))
        self.assertEqual([each["shard"] for each in told["shards"]], [0])
        self.assertEqual(told["shed_share"], 1)
        self.assertTrue(any("shard 1" in note for note in told["notes"]), told["notes"])

    def test_of_what_was_recorded(self):
        self.start({"analysis": RECORD})
        self.ask_for_numbers()
        self.wait_until_recorded()
        # Killed anywhere, also while it writes, a shard loses its last period at most.
        self.fleet.kill()
        self.assertEqual(self.recorded()["GET /numbers"], SINGLES)
        self.assertEqual(self.recorded()["POST /numbers"], BATCHES)
        # The next one appends, and what it has measured last is written when it stops.
        self.fleet.start()
        self.fleet.wait_until_serving()
        self.ask_for_numbers()
        self.assertEqual(self.fleet.stop(), 0)
        self.assertEqual(self.recorded()["GET /numbers"], 2 * SINGLES)
        self.assertEqual(self.recorded()["POST /numbers"], 2 * BATCHES)
        page = self.fleet.directory / "page.html"
        self.assertIn("GET /numbers", self.analyze(self.records, "--html", page))
        self.assertIn("GET /numbers", page.read_text())

    def test_a_directory_that_cannot_be_written_costs_no_number(self):
        self.start({"analysis": {**RECORD, "directory": "/proc/ringmaster-test"}})
        self.ask_for_numbers()
        wait_until(lambda: "/proc/ringmaster-test" in self.fleet.log(), "the log is told")


if __name__ == "__main__":
    main()
