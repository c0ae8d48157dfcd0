"""How many numbers a pool needs is told by any shard, and is still known after a restart."""

import re
import time
import unittest

from fleet import TOKEN, Fleet, demand_text, owner, pool_id  # fleet knows where daemon lies
from daemon import Pool, command, main, numbers, wait_until

SHARDS = 2
POOLS = [Pool(pool_id(SHARDS, i), "k", numbers(201 + i), lifetime_seconds=1500,
              cooldown_seconds=300) for i in range(SHARDS)]
# The demand that the files say: in the busiest hour 84 erlangs.
HOURS = 100
USUAL, BUSIEST = 40, 168
HOLDS = [BUSIEST if i == HOURS - 60 else USUAL for i in range(HOURS)]
PLANTED = sum(HOLDS)
# Often enough for a test; what is saved each time is little.
SOON = {"sample_ms": 100, "save_ms": 100}


class Advice(unittest.TestCase):
    def setUp(self):
        self.fleet = Fleet(POOLS, SHARDS, {"advice": SOON}).start()
        self.addCleanup(self.fleet.__exit__)
        self.fleet.wait_until_serving()  # the store has the pools then
        self.assertEqual(self.fleet.stop(), 0)

    def plant(self, pool, text):
        self.fleet.demand_file(pool).write_text(text)

    def start(self):
        self.fleet.start()
        self.fleet.wait_until_serving()

    def advice(self, shard, pool):
        answer = self.fleet.at(shard).admin("GET", "/pools/%s/advice" % pool.id)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def arrivals(self, pool):
        """As told by each shard. They don't ask at the same time, but nobody comes meanwhile."""
        told = {self.advice(shard, pool)["arrivals"] for shard in range(SHARDS)}
        self.assertEqual(len(told), 1)
        return told.pop()

    def test_all_shards_give_the_same_advice(self):
        for pool in POOLS:
            text = demand_text(HOLDS)
            self.plant(pool, text)
        self.start()
        for pool in POOLS:
            told = [self.advice(shard, pool) for shard in range(SHARDS)]
            sizing = told[0]["sizing"]
            self.assertEqual(told[1]["sizing"], sizing)
            busiest = sizing["busiest"]
            line = text.splitlines()[2 + HOLDS.index(BUSIEST)]
            hour = time.gmtime(int(line.split()[0]) * 3600)
            self.assertEqual(busiest["hour"], time.strftime("%Y-%m-%dT%H:00:00.000Z", hour))
            self.assertEqual(busiest["arrivals_per_hour"], BUSIEST)
            self.assertEqual(busiest["offered_erlangs"], 84)
            self.assertAlmostEqual(busiest["blocking"], 0.0098, delta=0.0002)
            self.assertEqual(sizing["usual_peak"]["arrivals_per_hour"], USUAL)
            self.assertEqual(sizing["numbers_for"]["0.01"], 100)
            self.assertEqual((sizing["missing"], sizing["spare"]), (0, 0))
            self.assertEqual(told[0]["numbers"], 100)
        for i, pool in enumerate(POOLS):
            of_pool = 'shard="%d",pool="%s"' % (i, pool.id)
            load = "ringmaster_pool_offered_erlangs{%s}" % of_pool
            wait_until(lambda: load in self.fleet.at(0).metrics(), "metrics tell it")
            metrics = self.fleet.at(0).metrics()
            self.assertEqual(metrics[load], 84)
            for blocking, wanted in (("0.01", 100), ("0.001", 110), ("0.0001", 118)):
                self.assertEqual(metrics['ringmaster_pool_numbers_wanted{%s,blocking="%s"}' %
                                         (of_pool, blocking)], wanted)
            for name in ("missing", "spare"):
                self.assertEqual(metrics["ringmaster_pool_numbers_%s{%s}" % (name, of_pool)], 0)
        for shard in range(SHARDS):
            pools = self.fleet.at(shard).admin("GET", "/advice").json["pools"]
            self.assertEqual({p["pool"]: p["sizing"]["missing"] for p in pools},
                             {pool.id: 0 for pool in POOLS})

    def test_who_comes_is_counted_and_still_known_after_a_restart(self):
        pool = POOLS[0]
        self.plant(pool, demand_text(HOLDS))
        self.start()
        for visitor in range(7):
            for shard in (0, 1, visitor % 2):
                self.assertEqual(self.fleet.at(shard).number(pool, "v%d" % visitor).status, 200)
        self.assertEqual(self.arrivals(pool), PLANTED + 7)
        self.assertEqual(self.fleet.stop(), 0)
        self.start()
        self.assertEqual(self.arrivals(pool), PLANTED + 7)
        self.assertEqual(self.fleet.at(1).number(pool, "another").status, 200)
        self.assertEqual(self.arrivals(pool), PLANTED + 8)

        def saved():
            lines = self.fleet.demand_file(pool).read_text().splitlines()[2:-1]
            return sum(int(line.split()[3]) for line in lines) == PLANTED + 8
        wait_until(saved, "it is saved")
        self.fleet.kill()
        self.start()
        self.assertEqual(self.arrivals(pool), PLANTED + 8)

    def test_demand_goes_with_a_pool_to_another_shard(self):
        moving = next(p for p in POOLS if owner(p.id, SHARDS) != owner(p.id, 1))
        self.plant(moving, demand_text(HOLDS))
        self.fleet.sections["server"]["shards"] = 1
        self.fleet.write_config(POOLS, self.fleet.sections)
        self.fleet.shards = 1
        self.start()
        self.assertEqual(self.advice(0, moving)["arrivals"], PLANTED)

    def test_a_torn_file_is_told_and_begun_anew(self):
        torn, other = POOLS
        self.plant(torn, demand_text(HOLDS)[:-10])
        self.plant(other, demand_text(HOLDS))
        self.start()
        said = "the demand for pool %s is measured anew: %s: line " % (
            torn.id, self.fleet.demand_file(torn))
        wait_until(lambda: said in self.fleet.log(), "it is told")
        for shard in range(SHARDS):
            advice = self.advice(shard, torn)
            self.assertIsNone(advice["sizing"])
            self.assertEqual(advice["advice"], "none yet: 0.0 of 24 hours have been observed")
            self.assertIsNotNone(self.advice(shard, other)["sizing"])
        # With two hours where one ends meanwhile.
        begun_anew = re.compile(r"ringmaster demand 1\n.*\nend [12]\n", re.DOTALL)
        wait_until(lambda: begun_anew.fullmatch(self.fleet.demand_file(torn).read_text()),
                   "it is replaced")

    def test_a_deleted_pool_leaves_nothing(self):
        pool = POOLS[1]
        self.start()
        wait_until(self.fleet.demand_file(pool).exists, "it has one")
        self.assertEqual(self.fleet.at(0).admin("DELETE", "/pools/" + pool.id).status, 204)
        wait_until(lambda: not self.fleet.demand_file(pool).exists(), "its file is gone")
        for shard in range(SHARDS):
            answer = self.fleet.at(shard).admin("GET", "/pools/%s/advice" % pool.id)
            self.assertEqual(answer.status, 404, answer.body)

    def test_the_command_line_tells_what_to_buy(self):
        few = Pool(POOLS[0].id, "k", numbers(201, 80), lifetime_seconds=1500, cooldown_seconds=300)
        self.plant(few, demand_text(HOLDS))
        self.fleet.write_config([few, POOLS[1]], self.fleet.sections)
        self.start()
        token = self.fleet.directory / "token"
        token.write_text(TOKEN + "\n")
        url = "http://127.0.0.1:%d" % (self.fleet.first_port + 1)
        told = command("advise", "--url", url, "--token-file", token)
        self.assertEqual(told.returncode, 0, told.stderr)
        lines = told.stdout.splitlines()
        self.assertEqual(lines[0].split()[0], "POOL")
        line = next(line for line in lines if line.startswith(few.id + " "))
        self.assertIn("  80  ", line)
        self.assertRegex(line, r"  84\.0  .*  100  .*add 20 numbers: with 80, \S+ % are turned away")
        line = next(line for line in lines if line.startswith(POOLS[1].id + " "))
        self.assertIn("none yet", line)


if __name__ == "__main__":
    main()
