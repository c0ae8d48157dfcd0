"""Any number of daemons share the pools that are in one Redis, whichever kind of Redis that is."""

import functools
import json
import random
import unittest

from daemons import TOKEN, Daemons, RedisDaemon, daemon
from daemon import Pool, main, numbers, row, wait_until
from redis_server import Cluster, RedisServer, Sentinels

AUTOS = Pool("autos", "A329F4DC", numbers(201), lifetime_seconds=600)
BOATS = Pool("boats", "77AA01", numbers(202, 6), lifetime_seconds=600)


class Sharing:
    """What holds for each kind of Redis."""

    @classmethod
    def setUpClass(cls):
        cls.redis = cls.kind()
        cls.addClassCleanup(cls.redis.__exit__)
        cls.redis.__enter__()
        cls.d = Daemons(cls.redis, [AUTOS, BOATS], shards=2)
        cls.addClassCleanup(cls.d.__exit__)
        cls.d.__enter__()
        cls.d.wait_until_known(AUTOS, BOATS)

    def test_a_session_has_one_number_wherever_it_asks(self):
        told = {}
        for n in range(60):
            session = "visitor %d" % (n % 20)
            answer = self.d[n % 3].number(AUTOS, session).json
            self.assertNotIn("overflow", answer)
            self.assertEqual(told.setdefault(session, answer["number"]), answer["number"])
        self.assertEqual(len(set(told.values())), 20)

    def test_a_batch_may_be_of_many_pools(self):
        rows = [row(random.choice((AUTOS, BOATS)), "batch %d" % (i % 4)) for i in range(40)]
        first = self.d[0].batch(rows).json["responses"]
        again = self.d[1].batch(rows).json["responses"]
        self.assertEqual([r["number"] for r in first], [r["number"] for r in again])

    def test_pools_are_known_everywhere_at_once(self):
        path = "/pools/made-" + type(self).__name__.lower()
        body = {"key": "secret", "overflow_number": daemon.OVERFLOW}
        made = Pool(path[7:], "secret", numbers(303, 3))
        self.assertEqual(self.d[0].admin("PUT", path, body).status, 201)
        added = self.d[1].admin("PUT", path + "/numbers", made.numbers)
        self.assertEqual(added.status, 200, added.body)
        wait_until(lambda: self.d[2].number(made, "v").status == 200, "the third knows the pool")
        self.assertIn(self.d[2].number(made, "v").json["number"], made.numbers)
        refused = self.d[2].admin("PUT", "/pools/autos/numbers",
                                  [*AUTOS.numbers, made.numbers[0]])
        self.assertEqual(refused.status, 400, refused.body)
        self.assertIn("made-", refused.json["refused"][0]["reason"])
        self.assertEqual(self.d[2].admin("DELETE", path).status, 204)
        wait_until(lambda: self.d[0].number(made, "v").status == 403, "the first has forgotten it")

    def test_who_held_a_number_is_known_to_all(self):
        number = self.d[0].number(BOATS, "caller", utm_source="radio").json["number"]
        for d in self.d.all:
            told = d.holder(number).json
            self.assertEqual((told["session"], told["context"], told["state"]),
                             ("caller", {"utm_source": "radio"}, "held"))
        released = self.d[1].request("DELETE", "/numbers/%s?pool=boats&key=77AA01&session=caller"
                                     % number.replace("+", "%2B"))
        self.assertEqual(released.status, 204)
        wait_until(lambda: self.d[2].holder(number).json["state"] == "past",
                   "the release is known, by the clock of the one that is asked")
        erased = self.d[2].admin("DELETE", "/sessions/caller")
        self.assertEqual(erased.status, 200)
        self.assertNotIn("caller", str(self.d[0].holder(number, "?history=5").body))

    def test_a_daemon_that_was_killed_finds_all_as_it_was(self):
        before = self.d[2].number(AUTOS, "survivor").json["number"]
        self.d[2].kill()
        self.d[2].start()
        self.d[2].wait_until_ready()
        self.assertEqual(self.d[2].number(AUTOS, "survivor").json["number"], before)

    def test_metrics_tell_of_redis(self):
        metrics = self.d[0].at(0).metrics()
        self.assertGreaterEqual(metrics['ringmaster_redis_connected{shard="0"}'], 1)
        self.assertGreater(metrics['ringmaster_redis_calls_total{shard="1"}'], 0)
        self.assertEqual(metrics['ringmaster_gate_state{shard="0",owner="redis",state="healthy"}'],
                         1)

    def test_how_busy_redis_is_is_told(self):
        d = self.d[0]
        token = d.directory / "token"
        token.write_text(TOKEN + "\n")
        told = {}

        def known():
            for n in range(20):
                d.batch([row(AUTOS, "busy %d" % n)])
            done = daemon.command("analyze", "--url", "http://127.0.0.1:%d" % d.first_port,
                                  "--token-file", token, "--seconds", 0, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            told.update(json.loads(done.stdout))
            return len(told["redis"]) >= self.primaries
        wait_until(known, "each primary was asked twice")
        for server in told["redis"]:
            self.assertIn(server["name"], self.addresses())
            self.assertGreater(server["observed_s"], 0)
            self.assertGreater(server["utilisation"], 0)
            self.assertLessEqual(server["utilisation"], server["busiest"])
            self.assertLessEqual(server["busiest"], 1)
        self.assertEqual(len({s["name"] for s in told["redis"]}), len(told["redis"]))
        self.assertGreaterEqual(told["redis_primaries_needed"], 1)
        self.assertIn("redis", [finding["topic"] for finding in told["findings"]])

    def addresses(self):
        return ["127.0.0.1:%d" % server.port for server in getattr(self.redis, "servers",
                                                                   [self.redis])]


class OneServer(Sharing, unittest.TestCase):
    kind = RedisServer
    primaries = 1


class Watched(Sharing, unittest.TestCase):
    # No other primary is chosen because the machine is busy.
    kind = functools.partial(Sentinels, down_after_ms=20000)
    primaries = 1


class Clustered(Sharing, unittest.TestCase):
    kind = functools.partial(Cluster, cluster_node_timeout=5000)
    primaries = 3


class Start(unittest.TestCase):
    def test_without_redis_it_says_so_and_ends(self):
        d = RedisDaemon("redis://127.0.0.1:1", [AUTOS],
                        sections={"redis": {"start_timeout_ms": 300}})
        try:
            d.start(wait=False)
            self.assertNotEqual(d.wait(), 0)
            self.assertIn("Redis", d.log())
            self.assertIn("127.0.0.1:1", d.log())
        finally:
            d.__exit__()

    def test_a_wrong_password_is_told_and_not_shown(self):
        with RedisServer(requirepass="right-secret") as redis:
            d = RedisDaemon("redis://:wrong-secret@127.0.0.1:%d" % redis.port, [AUTOS],
                            sections={"redis": {"start_timeout_ms": 2000}})
            try:
                d.start(wait=False)
                self.assertNotEqual(d.wait(), 0)
                self.assertIn("WRONGPASS", d.log())
                self.assertNotIn("wrong-secret", d.log())
            finally:
                d.__exit__()

    def test_tls_is_refused_when_the_configuration_is_read(self):
        d = RedisDaemon("rediss://127.0.0.1:6379", [AUTOS])
        try:
            checked = daemon.command("check-config", "--config", d.config)
            self.assertNotEqual(checked.returncode, 0)
            self.assertIn("TLS", checked.stdout + checked.stderr)
        finally:
            d.__exit__()

    def test_the_url_may_stand_in_a_file(self):
        with RedisServer(requirepass="right-secret") as redis:
            d = RedisDaemon("", [AUTOS], sections={"redis": {"url_file": "url"}})
            (d.directory / "url").write_text(redis.url + "\n")
            with d:
                self.assertIn(d.number(AUTOS, "v").json["number"], AUTOS.numbers)

    def test_acl_users_and_prefixes_keep_strangers_apart(self):
        with RedisServer() as redis:
            redis.command("ACL", "SETUSER", "ring", "on", ">secret", "~mine:*", "&mine:*", "+@all")
            redis.command("SET", "other:key", "1")
            url = "redis://ring:secret@127.0.0.1:%d" % redis.port
            with RedisDaemon(url, [AUTOS], sections={"redis": {"prefix": "mine"}}) as d:
                self.assertIn(d.number(AUTOS, "v").json["number"], AUTOS.numbers)
                keys = redis.command("KEYS", "*").split()
                self.assertEqual({k.partition(":")[0] for k in keys}, {"mine", "other"})


if __name__ == "__main__":
    main()
