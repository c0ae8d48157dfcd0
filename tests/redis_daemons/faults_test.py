"""What becomes of a Redis, and what visitors are told meanwhile: overflow numbers, within the deadline,
with the reason; and when Redis is back, numbers again, by itself."""

import threading
import time
import unittest


from daemons import RedisDaemon, fleet
from daemon import OVERFLOW, Pool, main, numbers, wait_until
from redis_server import Cluster, RedisServer, Sentinels

AUTOS = Pool("autos", "A329F4DC", numbers(201), lifetime_seconds=600)
HASTY = {"deadline_ms": 300, "latency_floor_ms": 250}
# What waits for longer has hung: the deadline, and how late a busy machine may be.
HUNG_S = 5


class FaultTest(unittest.TestCase):
    def setUp(self):
        self.redis = self.enter(RedisServer(appendonly="yes", appendfsync="always"))

    def enter(self, context):
        self.addCleanup(context.__exit__)
        return context.__enter__()

    def daemon(self, redis=None, **keys):
        d = self.enter(RedisDaemon(redis or self.redis, [AUTOS],
                                   sections={"redis": {**HASTY, **keys}}))
        wait_until(lambda: not d.number(AUTOS, "first").json.get("overflow"), "it serves")
        return d

    def assert_overflow(self, d, session):
        start = time.monotonic()
        answer = d.number(AUTOS, session)
        self.assertLess(time.monotonic() - start, HUNG_S)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json.get("reason"), "store_unavailable", answer.json)
        self.assertEqual(answer.json["number"], OVERFLOW)

    def assert_back(self, d, session="first"):
        """And with the number that it had."""
        self.assertEqual(d.wait_for_numbers(AUTOS, session)["number"], self.before)

    def hold_one(self, d):
        self.before = d.wait_for_numbers(AUTOS, "first")["number"]


class OneServer(FaultTest):
    def test_killed_and_started_again_with_its_data(self):
        d = self.daemon()
        self.hold_one(d)
        self.redis.kill()
        for n in range(30):
            self.assert_overflow(d, "new %d" % n)
        wait_until(lambda: d.get("/readyz").status == 503, "it says that it is not ready")
        self.assertEqual(d.get("/ping").status, 200)
        self.redis.start()
        self.assert_back(d)
        wait_until(lambda: d.get("/readyz").status == 200, "it is ready again")

    def test_hanging(self):
        d = self.daemon()
        self.hold_one(d)
        self.redis.stop_answering()
        self.addCleanup(self.redis.go_on)
        for n in range(10):
            self.assert_overflow(d, "new %d" % n)
        self.redis.go_on()
        self.assert_back(d)

    def test_busy_for_longer_than_the_deadline(self):
        d = self.daemon()
        self.hold_one(d)
        sleeping = threading.Thread(target=self.redis.command, args=("DEBUG", "SLEEP", "1.5"))
        sleeping.start()
        told = []
        while sleeping.is_alive():
            start = time.monotonic()
            told.append(d.number(AUTOS, "busy").json.get("reason"))
            self.assertLess(time.monotonic() - start, HUNG_S)
        sleeping.join()
        self.assertIn("store_unavailable", told)
        self.assert_back(d)

    def test_out_of_memory(self):
        d = self.daemon()
        self.hold_one(d)
        self.redis.set_option("maxmemory", "1mb")
        wait_until(lambda: d.number(AUTOS, "new").json.get("reason") == "store_unavailable",
                   "it has no memory")
        # What only overwrites is still done: a number can be given back.
        self.redis.set_option("maxmemory", "0")
        self.assert_back(d)

    def test_a_release_needs_no_memory(self):
        d = self.daemon(deadline_ms=2000)
        self.hold_one(d)
        self.redis.set_option("maxmemory", "1mb")
        released = d.request("DELETE", "/numbers/%s?pool=autos&key=A329F4DC&session=first"
                             % self.before.replace("+", "%2B"))
        self.assertEqual(released.status, 204, released.body)

    def test_a_primary_that_becomes_a_replica(self):
        other = self.enter(RedisServer())
        d = self.daemon()
        self.hold_one(d)
        self.redis.command("REPLICAOF", "127.0.0.1", other.port)
        self.redis.command("CONFIG", "SET", "replica-read-only", "yes")
        wait_until(lambda: d.number(AUTOS, "new").json.get("reason") == "store_unavailable",
                   "it can't write any more")
        self.assert_overflow(d, "new 2")

    def test_started_again_empty(self):
        """All is forgotten, then; but nothing hangs, and the pools of the configuration come back
        with a reload."""
        d = self.daemon()
        self.redis.kill()
        self.redis.forget()
        self.redis.start()
        wait_until(lambda: d.get("/readyz").status == 200, "it is ready again")
        status = fleet.daemon.command("reload", "--config", d.config)
        self.assertEqual(status.returncode, 0, status.stderr)
        d.wait_for_numbers(AUTOS, "first")

    def test_a_wrong_password_from_one_day_to_the_next(self):
        d = self.daemon()
        self.hold_one(d)
        self.redis.set_option("requirepass", "changed")
        self.redis.password = "changed"
        self.redis.command("CLIENT", "KILL", "TYPE", "normal", check=False)
        wait_until(lambda: d.number(AUTOS, "new").json.get("reason") == "store_unavailable",
                   "it is not let in")
        wait_until(lambda: "NOAUTH" in d.log(), "the log says why")
        self.redis.set_option("requirepass", "")
        self.redis.password = None
        self.assert_back(d)


class Failover(FaultTest):
    def setUp(self):
        pass

    def test_the_sentinels_choose_another_primary(self):
        redis = self.enter(Sentinels())
        d = self.daemon(redis)
        self.hold_one(d)
        old = redis.current()
        old.wait_until_replicated(2)
        old.kill()
        wait_until(lambda: redis.current() is not old, "there is another primary")
        self.assert_back(d)

    def test_a_cluster_promotes_a_replica(self):
        redis = self.enter(Cluster())
        d = self.daemon(redis)
        self.hold_one(d)
        old = redis.owner_of("ringmaster:{autos}:meta")
        old.wait_until_replicated(1)
        old.kill()
        wait_until(lambda: redis.owner_of("ringmaster:{autos}:meta") not in (None, old), "it has")
        self.assert_back(d)

    def test_a_slot_moves_under_load(self):
        redis = self.enter(Cluster())
        d = self.daemon(redis, deadline_ms=3000, latency_floor_ms=2500)
        told, wrong = {}, []
        targets = [fleet.daemon.numbers_target(AUTOS, "v%d" % i) for i in range(50)]

        def note(target, answer, _):
            if answer.get("overflow"):
                wrong.append(answer)
            elif told.setdefault(target, answer["number"]) != answer["number"]:
                wrong.append((target, told[target], answer))
        with fleet.Clients(d.port, targets, note) as clients:
            clients.wait_for(100)
            for _ in range(3):
                old = redis.owner_of("ringmaster:{autos}:meta")
                target = next(s for s in redis.servers if s is not old and
                              "role:master" in s.command("INFO", "replication"))
                redis.move_slot("ringmaster:{autos}:meta", target)
                clients.wait_for(100)
        self.assertEqual(clients.failures, [])
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    main()
