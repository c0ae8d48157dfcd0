"""The administrator's endpoints, on the daemon as a whole and across its restarts."""

import contextlib
import json
import time
import unittest

from daemon import Daemon, Pool, numbers, row

TOKEN = "a-token-for-these-tests"
AUTOS = Pool("autos", "A329F4DC", numbers(201), lifetime_seconds=1800, cooldown_seconds=60)


def daemon(pools, **store):
    return Daemon(pools, {"admin": {"token": TOKEN}, "store": store})


def admin(d, method, target, body=None):
    headers = {"Authorization": "Bearer " + TOKEN}
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    return d.request(method, target, body, headers)


def holder(d, number, query=""):
    return admin(d, "GET", "/numbers/%s%s" % (number, query))


def files_with(d, text):
    """Of the data directory."""
    found = []
    for path in (d.directory / "data").rglob("*"):
        # A file may be renamed or removed meanwhile.
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            if text.encode() in path.read_bytes():
                found.append(path.name)
    return found


class Attribution(unittest.TestCase):
    def test_who_had_a_number_is_known_after_it_went_to_others_and_across_kills(self):
        one = Pool("autos", "A329F4DC", numbers(201, 1), lifetime_seconds=3)
        # Small segments: the answers come from several files.
        with daemon([one], segment_bytes=4096, snapshot_after_bytes=8192) as d:
            visits = []
            for i in range(4):
                visitor = "visitor-%d" % i
                while True:
                    answer = d.number(one, visitor, campaign="c%d" % i).json
                    told = time.time()
                    if "overflow" not in answer:
                        break
                    time.sleep(0.1)
                # Other contexts of the same hold, and so a longer chain of records.
                for n in range(40):
                    d.number(one, visitor, campaign="c%d" % i, click=str(n))
                visits.append((visitor, told, answer["number"]))
                d.kill() if i % 2 else d.stop()
                d.start()
            number = visits[0][2]
            history = holder(d, number, "?history=10").json["holders"]
            self.assertEqual([h["session"] for h in history],
                             ["visitor-3", "visitor-2", "visitor-1", "visitor-0"])
            for i, (visitor, told, _) in enumerate(visits):
                then = holder(d, number, "?at=%f" % (told + 0.1)).json
                self.assertEqual((then["session"], then["context"]["campaign"]),
                                 (visitor, "c%d" % i))
            self.assertEqual(holder(d, number, "?at=%f" % (visits[0][1] - 100)).status, 404)

    def test_a_late_caller_is_told_of_the_last_holder(self):
        with daemon([AUTOS]) as d:
            number = d.number(AUTOS, "visitor", utm_source="google").json["number"]
            self.assertEqual(holder(d, number).json["state"], "held")
            late = holder(d, number, "?at=%d" % (time.time() + 5000)).json
            self.assertEqual((late["state"], late["session"]), ("past", "visitor"))
            self.assertGreater(late["ended_seconds_ago"], 3000)
            self.assertEqual(holder(d, AUTOS.numbers[50]).status, 404)


class Erasing(unittest.TestCase):
    def test_nothing_of_an_erased_session_is_left_in_any_file(self):
        with daemon([AUTOS], segment_bytes=4096, snapshot_after_bytes=8192, history_days=30) as d:
            secret = {"session": "visitor-to-forget", "click": "gclid-of-the-forgotten"}
            number = d.number(AUTOS, secret["session"], gclid=secret["click"]).json["number"]
            for i in range(100):
                d.number(AUTOS, "other-%d" % (i % 20), padding="x" * 200)
                d.number(AUTOS, secret["session"], gclid=secret["click"], n=str(i % 3))
            self.assertNotEqual(files_with(d, secret["click"]), [])
            erased = admin(d, "DELETE", "/sessions/" + secret["session"])
            self.assertEqual(erased.status, 200)
            self.assertGreater(erased.json["erased"], 10)
            self.assertEqual(admin(d, "DELETE", "/sessions/" + secret["session"]).json,
                             {"erased": 0})
            for restart in (None, d.kill, d.stop):
                if restart:
                    restart()
                    d.start()
                self.assertEqual([files_with(d, text) for text in secret.values()], [[], []])
                told = holder(d, number).json
                self.assertTrue(told["erased"])
                self.assertNotIn("session", told)
            other = holder(d, d.number(AUTOS, "other-7", padding="x" * 200).json["number"]).json
            self.assertEqual(other["session"], "other-7")


class Pools(unittest.TestCase):
    def test_what_was_changed_is_there_after_a_kill(self):
        with daemon([AUTOS]) as d:
            boats = {"key": "77AA01", "overflow_number": "+18005550199", "lifetime_seconds": 60}
            self.assertEqual(admin(d, "PUT", "/pools/boats", boats).status, 201)
            self.assertEqual(admin(d, "PUT", "/pools/boats", boats).status, 200)
            added = admin(d, "POST", "/pools/boats/numbers", numbers(202, 3)).json
            self.assertEqual(len(added["added"]), 3)
            pool = Pool("boats", "77AA01", numbers(202, 3))
            held = d.number(pool, "visitor").json["number"]

            change = admin(d, "PUT", "/pools/boats/numbers",
                           [n for n in pool.numbers if n != held]).json
            self.assertEqual((change["removed"], change["draining"]), ([], [held]))
            d.kill()
            d.start()
            self.assertEqual(d.number(pool, "visitor").json["number"], held)
            others = [r.get("number") for r in
                      d.batch([row(pool, "v%d" % i) for i in range(3)]).json["responses"]]
            self.assertEqual(sorted(others), sorted(set(pool.numbers) - {held} | {"+18005550199"}))
            figures = admin(d, "GET", "/pools/boats").json["figures"]
            self.assertEqual((figures["size"], figures["held"], figures["draining"]), (3, 3, 1))

            self.assertEqual(admin(d, "DELETE", "/pools/boats").status, 204)
            d.kill()
            d.start()
            self.assertEqual(d.number(pool, "visitor").status, 403)
            self.assertEqual(admin(d, "GET", "/pools/boats").status, 404)
            self.assertEqual(holder(d, held).json["session"], "visitor")

    def test_a_number_of_another_pool_is_refused_and_nothing_applied(self):
        with daemon([AUTOS]) as d:
            admin(d, "PUT", "/pools/boats", {"key": "77AA01", "allow_overflow": False})
            refused = admin(d, "POST", "/pools/boats/numbers", ["+12025550100", AUTOS.numbers[0]])
            self.assertEqual(refused.status, 400)
            self.assertEqual([r["text"] for r in refused.json["refused"]], [AUTOS.numbers[0]])
            self.assertEqual(admin(d, "GET", "/pools/boats/numbers").json["numbers"], [])

    def test_nobody_without_the_token(self):
        with daemon([AUTOS]) as d:
            for method, target in (("GET", "/pools"), ("DELETE", "/pools/autos"),
                                   ("GET", "/numbers/" + AUTOS.numbers[0]),
                                   ("DELETE", "/sessions/v")):
                self.assertEqual(d.request(method, target).status, 401)
                wrong = d.request(method, target, None, {"Authorization": "Bearer x" + TOKEN})
                self.assertEqual(wrong.status, 403)
        with Daemon([AUTOS]) as d:
            self.assertEqual(admin(d, "GET", "/pools").status, 403)


if __name__ == "__main__":
    unittest.main(verbosity=2)
