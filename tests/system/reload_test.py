"""What SIGHUP does: the configuration is read again, and its pools are applied."""

import http.client
import json
import signal
import threading
import unittest

import daemon
from daemon import Daemon, Pool, ask, numbers

TOKEN = "a-token-for-these-tests"
ADMIN = {"admin": {"token": TOKEN}}


class Reload(unittest.TestCase):
    def start(self, pools, sections=ADMIN):
        d = Daemon(pools, sections)
        self.addCleanup(d.__exit__)
        return d.start()

    def reload(self, d, *until):
        """What the log says of it. Each process writes its own lines, and when it comes to it."""
        before = len(d.log())
        d.signal(signal.SIGHUP)
        until = until or ("supervisor: the configuration is applied",
                          "shard 0: the configuration is applied: ")
        daemon.wait_until(lambda: all(line in d.log()[before:] for line in until),
                          "it is reloaded: " + d.log())
        return d.log()[before:]

    def admin(self, d, target):
        answer = d.get(target, Authorization="Bearer " + TOKEN)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def numbers_of(self, d, pool):
        return sorted(n["number"] for n in self.admin(d, "/pools/%s/numbers" % pool)["numbers"])

    def test_pools_are_created_and_changed_but_never_deleted(self):
        d = self.start([Pool("autos", "k1", numbers(201, 3)), Pool("boats", "k2", numbers(202, 2))])
        d.write_config([Pool("autos", "new", numbers(201, 5)[1:]),
                        Pool("travel", "k3", numbers(203, 1))], ADMIN)
        log = self.reload(d)
        self.assertIn("pool autos: definition changed, 2 numbers added, 1 removed, 0 draining", log)
        self.assertIn("pool travel: created, 1 numbers added", log)
        self.assertNotIn("pool boats", log)
        self.assertNotIn("restart", log)
        self.assertEqual(self.numbers_of(d, "autos"), numbers(201, 5)[1:])
        self.assertEqual(self.numbers_of(d, "boats"), numbers(202, 2))
        self.assertEqual(d.number(Pool("autos", "k1", []), "a").status, 403)
        self.assertEqual(d.number(Pool("autos", "new", []), "a").status, 200)
        self.assertEqual(d.number(Pool("travel", "k3", []), "a").status, 200)

        # And so it is after a start.
        self.assertEqual(d.stop(), 0)
        d.start()
        self.assertEqual(self.numbers_of(d, "autos"), numbers(201, 5)[1:])
        self.assertEqual(self.numbers_of(d, "boats"), numbers(202, 2))

    def test_nothing_is_applied_where_anything_is_wrong(self):
        pool = Pool("autos", "k", numbers(201, 3))
        d = self.start([pool])
        d.write_config([Pool("boats", "k", numbers(202, 1)), Pool("autos", "k", ["# none"])],
                       {"server": {"backlog": 0, "nonsense": 1}, **ADMIN})
        log = self.reload(d, "nothing is changed")
        self.assertIn("ringmaster.toml:2:11: [server] backlog is 0", log)
        self.assertIn("ringmaster.toml:3:1: [server] has no key nonsense", log)
        d.write_config([Pool("boats", "k", numbers(202, 1)), Pool("autos", "k", ["# none"])], ADMIN)
        self.assertIn("autos.txt has no good number", self.reload(d, "nothing is changed"))
        d.config.unlink()
        self.assertIn("can't be read", self.reload(d, "nothing is changed"))

        self.assertEqual([p["id"] for p in self.admin(d, "/pools")["pools"]], ["autos"])
        self.assertEqual(self.numbers_of(d, "autos"), pool.numbers)
        self.assertEqual(d.number(pool, "a").status, 200)

    def test_what_needs_a_restart_is_named(self):
        pool = Pool("autos", "k", numbers(201, 3))
        d = self.start([pool])
        d.write_config([pool], {"admin": {"token": "another-token-for-these-tests"},
                                "store": {"fsync": "never"}})
        log = self.reload(d)
        self.assertIn("a change of [admin] token, [store] fsync takes effect with a restart only",
                      log)
        self.assertNotIn("another-token", log)
        self.admin(d, "/pools")

    def test_number_that_moves_while_held_is_handed_to_nobody_early(self):
        autos, boats = Pool("autos", "k", numbers(201, 2)), Pool("boats", "k", numbers(202, 1))
        d = self.start([autos, boats])
        held = d.number(autos, "holder").json["number"]
        other = next(n for n in autos.numbers if n != held)
        d.write_config([Pool("autos", "k", [other]), Pool("boats", "k", boats.numbers + [held])],
                       ADMIN)
        self.assertIn("pool autos: 0 numbers added, 0 removed, 1 draining", self.reload(d))
        got = [d.number(pool, "session-%d" % i).json
               for i in range(5) for pool in (autos, boats)]
        self.assertNotIn(held, [answer["number"] for answer in got])
        self.assertEqual({a["number"] for a in got if "overflow" not in a},
                         {other, boats.numbers[0]})

    def test_free_numbers_move_between_pools_at_once(self):
        autos, boats = Pool("autos", "k", numbers(201, 2)), Pool("boats", "k", numbers(202, 2))
        d = self.start([autos, boats])
        d.write_config([Pool("autos", "k", boats.numbers), Pool("boats", "k", autos.numbers)],
                       ADMIN)
        log = self.reload(d)
        self.assertNotIn(" is refused", log)
        self.assertEqual(self.numbers_of(d, "autos"), boats.numbers)
        self.assertEqual(self.numbers_of(d, "boats"), autos.numbers)

    def test_under_load_no_request_fails(self):
        pool = Pool("autos", "k", numbers(201, 100))
        d = self.start([pool])
        failures, stop, going = [], threading.Event(), threading.Barrier(4 + 1)

        def load(client):
            connection = d.connect()
            try:
                for i in range(10**6):
                    if i == 10:
                        going.wait(daemon.PATIENCE_S)
                    if stop.is_set():
                        return
                    session = "%d-%d" % (client, i % 10)
                    answer = ask(connection, "GET", daemon.numbers_target(pool, session))
                    if answer.status != 200 or "overflow" in answer.json:
                        failures.append(answer.body)
            except (OSError, http.client.HTTPException, threading.BrokenBarrierError) as error:
                failures.append(error)
            finally:
                connection.close()

        clients = [threading.Thread(target=load, args=(i,)) for i in range(4)]
        for client in clients:
            client.start()
        going.wait(daemon.PATIENCE_S)
        for i in range(5):
            more = numbers(202, 100)[:20 * i]
            d.write_config([Pool("autos", "k", pool.numbers + more)], ADMIN)
            self.reload(d)
        stop.set()
        for client in clients:
            client.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.numbers_of(d, "autos"), sorted(pool.numbers + more))

    def test_daemon_without_pools_waits_for_them(self):
        d = self.start([])
        daemon.wait_until(lambda: ", 0 pools, 0 numbers" in d.log(), "the shard says what it has")
        self.assertEqual(d.get("/readyz").status, 200)
        pool = Pool("autos", "k", numbers(201, 1))
        d.write_config([pool], ADMIN)
        self.reload(d)
        self.assertEqual(d.number(pool, "a").json["number"], pool.numbers[0])

    def test_numbers_without_a_file_are_the_administrators(self):
        d = self.start([])
        text = d.config.read_text()
        d.config.write_text(text + '[[pool]]\nid = "autos"\nkey = "k"\nallow_overflow = false\n')
        self.reload(d)
        added = d.request("POST", "/pools/autos/numbers", json.dumps(numbers(201, 2)),
                          {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"})
        self.assertEqual(added.status, 200, added.body)
        self.reload(d)
        self.assertEqual(self.numbers_of(d, "autos"), numbers(201, 2))
        self.assertEqual(d.stop(), 0)
        d.start()
        self.assertEqual(self.numbers_of(d, "autos"), numbers(201, 2))


if __name__ == "__main__":
    daemon.main()
