"""What a failover loses of what visitors were told, and that it loses nothing where replicas are waited
for. The replicas get nothing for a while before the primary dies: as bad as it can be."""

import unittest

from daemons import RedisDaemon
from daemon import Pool, main, numbers, wait_until
from redis_server import Sentinels

POOL = Pool("pool", "k", numbers(201), lifetime_seconds=3600)
VISITORS = 40


class Failover(unittest.TestCase):
    def told_before_and_after(self, wait_replicas):
        """{session: number}, as far as it was a number: of those who asked while replicas hung, and
        of all others who ask when one of the replicas is the primary."""
        with Sentinels() as redis, RedisDaemon(redis, [POOL], sections={"redis": {
                "wait_replicas": wait_replicas, "deadline_ms": 400}}) as d:
            d.wait_for_numbers(POOL, "first")
            old = redis.current()
            old.wait_until_replicated(2)
            replicas = [server for server in redis.servers if server is not old]
            for replica in replicas:
                replica.stop_answering()
            # Else what was sent waits for them in the kernel, and outlives the primary.
            old.command("CLIENT", "KILL", "TYPE", "replica")
            before = self.ask(d, "before", patient=wait_replicas == 0)
            old.kill()
            for replica in replicas:
                replica.go_on()
            wait_until(lambda: redis.current() is not old, "there is another primary")
            d.wait_for_numbers(POOL, "first")
            return before, self.ask(d, "after", True), self.ask(d, "before", True)

    def ask(self, d, kind, patient):
        told = {}
        for i in range(VISITORS):
            session = "%s %d" % (kind, i)
            answer = (d.wait_for_numbers(POOL, session) if patient else
                      d.number(POOL, session).json)
            if "overflow" not in answer:
                told[session] = answer["number"]
        return told

    def losses(self, wait_replicas):
        before, after, again = self.told_before_and_after(wait_replicas)
        self.assertEqual(len(after), VISITORS)
        doubled = set(before.values()) & set(after.values())
        moved = [s for s, number in before.items() if again.get(s) != number]
        print("wait_replicas = %d: %d visitors were told a number while replicas hung; after the "
              "failover %d of these numbers were somebody else's, too, and %d of the visitors got "
              "another one" % (wait_replicas, len(before), len(doubled), len(moved)), flush=True)
        return before, doubled, moved

    def test_without_waiting_all_that_replicas_had_not_got_is_lost(self):
        before, doubled, moved = self.losses(0)
        self.assertEqual(len(before), VISITORS)
        self.assertEqual((len(doubled), len(moved)), (VISITORS, VISITORS))

    def test_nothing_is_lost_that_a_replica_was_waited_for(self):
        before, doubled, moved = self.losses(1)
        self.assertEqual((len(doubled), len(moved)), (0, 0))
        self.assertEqual(before, {}, "nobody is told a number that no replica has")


if __name__ == "__main__":
    main()
