"""Pools that several shards own are one thing for whoever asks."""

import unittest
import urllib.parse

import fleet
from daemon import Pool, main, numbers, row
from fleet import Fleet, pool_id

SHARDS = 3
POOLS = [Pool(pool_id(SHARDS, i), "k", numbers(201 + i)) for i in range(SHARDS)]


class Ownership(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(POOLS, SHARDS).start()
        cls.fleet.wait_until_serving()
        cls.addClassCleanup(cls.fleet.__exit__)

    def each_shard(self):
        return [self.fleet.at(i) for i in range(SHARDS)]

    def test_the_files_lie_with_the_owner(self):
        for i, pool in enumerate(POOLS):
            self.assertEqual(fleet.owner(pool.id, SHARDS), i)
            self.fleet.at((i + 1) % SHARDS).number(pool, "of <%s>" % pool.id)
        for i, pool in enumerate(POOLS):
            journals = (self.fleet.directory / "data/store").glob("shard-*/journal-*.log")
            owning = {path.parent.name for path in journals
                      if b"of <%s>" % pool.id.encode() in path.read_bytes()}
            self.assertEqual(owning, {"shard-%d" % i})

    def test_a_session_has_the_same_number_whoever_is_asked(self):
        for pool in POOLS:
            told = {shard.number(pool, "one visitor").json["number"]
                    for shard in self.each_shard() for _ in range(5)}
            self.assertEqual(len(told), 1)
            self.assertLessEqual(told, set(pool.numbers))

    def test_a_batch_is_answered_in_its_order(self):
        rows = [row(POOLS[i * 7 % SHARDS], "b%d" % i) | {"request_id": str(i)} for i in range(200)]
        told = []
        for shard in self.each_shard():
            answers = shard.batch(rows).json["responses"]
            self.assertEqual([a["request_id"] for a in answers], [r["request_id"] for r in rows])
            for asked, answer in zip(rows, answers):
                pool = next(p for p in POOLS if p.id == asked["pool"])
                self.assertIn(answer["number"], pool.numbers)
                self.assertNotIn("overflow", answer)
            told.append([answer["number"] for answer in answers])
        self.assertEqual(told[0], told[1])
        self.assertEqual(told[0], told[2])
        self.assertEqual(len(set(told[0])), 200)

    def test_rows_fail_alone(self):
        rows = [row(POOLS[0], "x"), row(POOLS[1], "x") | {"key": "wrong"}, row(POOLS[2], "x")]
        for shard in self.each_shard():
            answers = shard.batch(rows).json["responses"]
            self.assertEqual([a.get("error_class") for a in answers], [None, "InvalidKey", None])

    def test_a_number_is_given_back_anywhere(self):
        pool = Pool(pool_id(SHARDS, 1, "-one"), "k", numbers(401, 1))
        self.create(self.fleet.at(0), pool)
        for i, shard in enumerate(self.each_shard()):
            number = shard.number(pool, "s%d" % i).json["number"]
            target = "/numbers/%s?pool=%s&key=k&session=s%d" % (urllib.parse.quote(number),
                                                               pool.id, i)
            self.assertEqual(self.fleet.at((i + 1) % SHARDS).request("DELETE", target).status, 204)

    def create(self, shard, pool):
        definition = {"key": pool.key, **pool.settings}
        self.assertIn(shard.admin("PUT", "/pools/" + pool.id, definition).status, (200, 201))
        added = shard.admin("PUT", "/pools/%s/numbers" % pool.id, pool.numbers)
        self.assertEqual(added.status, 200, added.body)

    def test_a_change_is_known_to_all_when_the_call_returns(self):
        for i in range(60):
            by, asked = self.fleet.at(i % SHARDS), self.fleet.at((i // SHARDS) % SHARDS)
            pool = Pool("known%d" % (i % 7), "key %d" % i, numbers(402, 2), lifetime_seconds=1)
            by.admin("DELETE", "/pools/" + pool.id)
            gone = asked.get("/numbers?pool=%s&key=%s" % (pool.id, urllib.parse.quote(pool.key)))
            self.assertEqual(gone.status, 403)
            self.assertEqual(by.admin("PUT", "/pools/" + pool.id,
                                      {"key": pool.key, **pool.settings}).status, 201)
            for shard in self.each_shard():
                # Without numbers so far, and so the overflow number.
                self.assertTrue(shard.number(pool, "s").json["overflow"])
                listed = [p["id"] for p in shard.admin("GET", "/pools").json["pools"]]
                self.assertIn(pool.id, listed)
            by.admin("DELETE", "/pools/" + pool.id)

    def test_a_number_is_in_one_pool_only_whoever_has_them(self):
        have, want = (Pool(pool_id(SHARDS, i, "-want"), "k", numbers(403, 3)) for i in (0, 1))
        self.create(self.fleet.at(2), have)
        shard = self.fleet.at(1)
        shard.admin("PUT", "/pools/" + want.id, {"key": "k", **want.settings})
        refused = shard.admin("POST", "/pools/%s/numbers" % want.id, [want.numbers[1]])
        self.assertEqual(refused.status, 400, refused.body)
        self.assertIn(have.id, refused.json["refused"][0]["reason"])
        # As an overflow number neither.
        definition = {"key": "k", "overflow_number": have.numbers[0]}
        self.assertEqual(shard.admin("PUT", "/pools/" + want.id, definition).status, 400)

    def test_a_number_that_moves_stays_its_holders_until_his_time_is_over(self):
        before, after = (Pool(pool_id(SHARDS, i, "-move"), "k", numbers(404, 1),
                              lifetime_seconds=3600) for i in (2, 0))
        self.create(self.fleet.at(0), before)
        number = self.fleet.at(1).number(before, "holder").json["number"]
        # With its pool it is gone at once, but not free.
        self.assertEqual(self.fleet.at(0).admin("DELETE", "/pools/" + before.id).status, 204)
        self.create(self.fleet.at(1), after)
        for shard in self.each_shard():
            told = shard.number(after, "somebody else").json
            self.assertEqual(told.get("reason"), "exhausted", told)
        quoted = urllib.parse.quote(number)
        for shard in self.each_shard():
            held = shard.admin("GET", "/numbers/" + quoted).json
            self.assertEqual((held["session"], held["pool"], held["state"]),
                             ("holder", before.id, "held"))

    def test_who_has_a_number_is_told_anywhere(self):
        number = self.fleet.at(0).number(POOLS[1], "caller", source="a").json["number"]
        for shard in self.each_shard():
            held = shard.admin("GET", "/numbers/" + urllib.parse.quote(number)).json
            self.assertEqual((held["session"], held["context"]), ("caller", {"source": "a"}))
            nobody = shard.admin("GET", "/numbers/" + urllib.parse.quote(numbers(406, 1)[0]))
            self.assertEqual(nobody.status, 404)

    def test_a_session_is_erased_everywhere(self):
        told = self.fleet.at(0).batch([row(pool, "to be forgotten") for pool in POOLS])
        erased = self.fleet.at(2).admin("DELETE", "/sessions/to%20be%20forgotten")
        self.assertGreaterEqual(erased.json["erased"], SHARDS)
        for answer in told.json["responses"]:
            target = "/numbers/" + urllib.parse.quote(answer["number"])
            self.assertTrue(self.fleet.at(1).admin("GET", target).json["erased"])

    def test_figures_are_the_owners(self):
        pool = Pool(pool_id(SHARDS, 2, "-figures"), "k", numbers(405, 5))
        self.create(self.fleet.at(0), pool)
        for i, shard in enumerate(self.each_shard()):
            shard.number(pool, "s%d" % i)
        for shard in self.each_shard():
            figures = shard.admin("GET", "/pools/" + pool.id).json["figures"]
            self.assertEqual((figures["size"], figures["held"], figures["allocations"]), (5, 3, 3))

    def test_metrics_are_those_of_all_shards(self):
        for i, pool in enumerate(POOLS):
            self.fleet.at((i + 1) % SHARDS).number(pool, "measured")
        for shard in self.each_shard():
            metrics = shard.metrics()
            for i in range(SHARDS):
                self.assertEqual(metrics['ringmaster_shard_up{shard="%d"}' % i], 1)
                self.assertEqual(metrics['ringmaster_shard_restarts_total{shard="%d"}' % i], 0)
                other = (i + 1) % SHARDS
                labels = '{shard="%d",owner="%d"' % (i, other)
                self.assertEqual(metrics['ringmaster_gate_window%s}' % labels], 1024)
                self.assertEqual(metrics['ringmaster_gate_state%s,state="healthy"}' % labels], 1)
            self.assertGreater(sum(value for name, value in metrics.items() if
                                   name.startswith("ringmaster_call_rows_count")), 0)


if __name__ == "__main__":
    main()
