"""Every endpoint, as a client sees it."""

import gzip
import json
import re
import time
import unittest

import daemon
from daemon import OVERFLOW, Daemon, Pool, ask, numbers, receive_until, row

AUTOS = Pool("autos", "A329F4DC", numbers(201))
BOATS = Pool("boats", "77AA01", numbers(202, 2))
TRAVEL = Pool("travel", "7E3B90D2", numbers(203, 1), allow_overflow=False)
COOL = Pool("cool", "C001", numbers(205, 1), cooldown_seconds=3600)


class Endpoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon([AUTOS, BOATS, TRAVEL, COOL],
                            {"api": {"max_batch": 50}, "log": {"access": True},
                             "cors": {"origins": ["https://example.com"]},
                             "server": {"gzip_min_bytes": 100}})
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.daemon.start()

    def assertError(self, answer, status, error_class):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.json["error_class"], error_class)
        self.assertTrue(answer.json["message"])

    def test_health(self):
        ping = self.daemon.get("/ping")
        self.assertEqual((ping.status, ping.body.strip()), (200, b"pong"))
        self.assertEqual(self.daemon.get("/healthz").status, 200)
        self.assertEqual(self.daemon.get("/readyz").status, 200)
        head = self.daemon.request("HEAD", "/ping")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["Content-Length"], ping.headers["Content-Length"])

    def test_one_number(self):
        begin = time.time()
        first = self.daemon.number(AUTOS, "one", utm_source="google")
        self.assertEqual(first.status, 200)
        self.assertIn("application/json", first.headers["Content-Type"])
        self.assertGreaterEqual(float(first.headers["processing-time"]), 0)
        self.assertIn(first.json["number"], AUTOS.numbers)
        self.assertEqual(first.json["number"],
                         "+1" + first.json["formatted"].replace("-", ""))
        self.assertNotIn("overflow", first.json)
        expires = time.strptime(first.json["expires_at"], "%Y-%m-%dT%H:%M:%SZ")
        self.assertGreaterEqual(time.mktime(expires) - time.timezone, int(begin) + 1799)

        again = self.daemon.number(AUTOS, "one", utm_source="bing")
        self.assertEqual(again.json["number"], first.json["number"])
        other = self.daemon.number(AUTOS, "two")
        self.assertNotEqual(other.json["number"], first.json["number"])

        text = self.daemon.get(daemon.numbers_target(AUTOS, "one"), Accept="text/plain")
        self.assertEqual(text.body.decode(), first.json["number"] + "\n")

    def test_context_as_session(self):
        target = "/numbers?pool=autos&key=A329F4DC&"
        first = self.daemon.get(target + "m1=antiques&m2=x").json
        self.assertEqual(self.daemon.get(target + "m2=x&m1=antiques").json["number"],
                         first["number"])
        self.assertNotEqual(self.daemon.get(target + "m1=antiques").json["number"],
                            first["number"])
        batch = self.daemon.batch([{"pool": "autos", "key": "A329F4DC",
                                    "context": {"m2": "x", "m1": "antiques"}}])
        self.assertEqual(batch.json["responses"][0]["number"], first["number"])

    def test_batch_is_answered_in_order_row_by_row(self):
        rows = [{**row(AUTOS, "batch-%d" % i, m=i), "request_id": "r%d" % i} for i in range(20)]
        rows[3]["key"] = "A3"
        rows[5]["pool"] = "nonsense"
        rows[7]["context"] = {"m": None}
        answer = self.daemon.batch(rows)
        self.assertEqual(answer.status, 200)
        self.assertIn("processing-time", answer.headers)
        responses = answer.json["responses"]
        self.assertEqual([r["request_id"] for r in responses], ["r%d" % i for i in range(20)])
        self.assertEqual(responses[3]["error_class"], "InvalidKey")
        self.assertEqual(responses[5]["error_class"], "InvalidKey")
        self.assertEqual(responses[7]["error_class"], "InvalidInput")
        held = [r["number"] for r in responses if "number" in r]
        self.assertEqual(len(held), 17)
        self.assertEqual(len(set(held)), 17)
        self.assertEqual([r.get("number") for r in self.daemon.batch(rows).json["responses"]],
                         [r.get("number") for r in responses])

    def test_overflow_tells_its_reason(self):
        first, second, third = (self.daemon.number(BOATS, "s%d" % i).json for i in range(3))
        self.assertEqual({first["number"], second["number"]}, set(BOATS.numbers))
        self.assertEqual((third["number"], third["overflow"], third["reason"]),
                         (OVERFLOW, True, "exhausted"))

    def test_pool_without_overflow(self):
        self.assertEqual(self.daemon.number(TRAVEL, "a").status, 200)
        self.assertError(self.daemon.number(TRAVEL, "b"), 503, "PoolExhausted")
        rows = self.daemon.batch([row(TRAVEL, "a"), row(TRAVEL, "b")]).json["responses"]
        self.assertEqual(rows[0]["number"], TRAVEL.numbers[0])
        self.assertEqual(rows[1]["error_class"], "PoolExhausted")

    def test_release_starts_the_cool_down(self):
        number = self.daemon.number(COOL, "a").json["number"]
        target = "/numbers/%s?pool=cool&key=C001&session=" % number.replace("+", "%2B")
        self.assertEqual(self.daemon.request("DELETE", target + "b").status, 404)
        self.assertIn(self.daemon.request("DELETE", target + "a").status, (200, 204))
        self.assertEqual(self.daemon.request("DELETE", target + "a").status, 404)
        self.assertEqual(self.daemon.number(COOL, "b").json["reason"], "exhausted")
        self.assertEqual(self.daemon.number(COOL, "a").json["number"], number)

    def test_refusals(self):
        self.assertError(self.daemon.get("/numbers?pool=autos&key=nope&session=a"), 403,
                         "InvalidKey")
        self.assertError(self.daemon.get("/numbers?pool=nope&key=A329F4DC&session=a"), 403,
                         "InvalidKey")
        self.assertEqual(self.daemon.get("/nowhere").status, 404)
        wrong_method = self.daemon.request("DELETE", "/ping")
        self.assertEqual(wrong_method.status, 405)
        self.assertIn("GET", wrong_method.headers["Allow"])

        malformed = self.daemon.request("POST", "/numbers", '{"requests": [}')
        self.assertEqual(malformed.status, 400)
        self.assertIn("14", malformed.json["message"])
        too_many = self.daemon.batch([row(AUTOS, "x")] * 51)
        self.assertEqual(too_many.status, 400)
        self.assertEqual(self.daemon.request("POST", "/numbers", "x=1", {
            "Content-Type": "application/x-www-form-urlencoded"}).status, 415)

    def test_connection_is_kept_after_a_refusal(self):
        connection = self.daemon.connect()
        self.addCleanup(connection.close)
        local = connection.sock.getsockname()
        for target, status in (("/nowhere", 404), ("/numbers?pool=x&key=y", 403), ("/ping", 200)):
            self.assertEqual(ask(connection, "GET", target).status, status)
            self.assertEqual(connection.sock.getsockname(), local)

    def test_pipelined_requests_are_answered_in_order(self):
        with self.daemon.socket() as connection:
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n" * 2 +
                               b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" +
                               b"GET /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answers = daemon.receive_all(connection)
        self.assertEqual(daemon.statuses(answers), [200, 200, 404, 200])

    def test_chunked_body(self):
        body = json.dumps({"requests": [row(AUTOS, "chunked")]}).encode()
        connection = self.daemon.connect()
        self.addCleanup(connection.close)
        answer = ask(connection, "POST", "/numbers", iter([body[:7], body[7:]]))
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["responses"][0]["number"],
                         self.daemon.number(AUTOS, "chunked").json["number"])

    def test_expect_continue(self):
        body = json.dumps({"requests": [row(AUTOS, "expects")]}).encode()
        with self.daemon.socket() as connection:
            connection.sendall(b"POST /numbers HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                               b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
            self.assertEqual(receive_until(connection, b"\r\n\r\n"),
                             b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(body)
            self.assertIn(b"HTTP/1.1 200 ", daemon.receive_all(connection))

    def test_http_1_0(self):
        answer = self.daemon.raw(b"GET /ping HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", answer.split(b"\r\n")[0])
        self.assertTrue(answer.rstrip().endswith(b"pong"))

    def test_access_log_has_no_secrets(self):
        self.daemon.number(AUTOS, "seen")
        daemon.wait_until(lambda: "GET /numbers 200, " in self.daemon.log(), "it is logged")
        self.assertNotIn("A329F4DC", self.daemon.log())

    def test_access_log_tells_what_a_proxy_told(self):
        request_id = "from-the-proxy-1"
        begin = "t=%.3f" % (time.time() - 1)
        answer = self.daemon.get("/ping", **{"X-Request-Id": request_id, "X-Request-Start": begin})
        self.assertEqual(answer.headers["X-Request-Id"], request_id)

        def lines():
            return [line for line in self.daemon.log().split("\n") if request_id in line]
        daemon.wait_until(lines, "it is logged")
        line = lines()[0]
        pattern = (r"GET /ping 200, 4 bytes, \d+\.\d+ ms "
                   r"\(running \d+\.\d+, idle \d+\.\d+, stalled \d+\.\d+\), "
                   r"queued (\d+\.\d+) ms, id from-the-proxy-1$")
        self.assertRegex(line, pattern)
        # The kernel's coarse clock is some ms behind.
        self.assertGreater(float(re.search(pattern, line)[1]), 900)

    def test_pages_of_other_origins(self):
        ours, other = {"Origin": "https://example.com"}, {"Origin": "https://other.example"}
        allowed = self.daemon.get("/ping", **ours)
        self.assertEqual(allowed.headers["Access-Control-Allow-Origin"], ours["Origin"])
        self.assertEqual(allowed.headers["Access-Control-Expose-Headers"], "processing-time")
        self.assertNotIn("Access-Control-Allow-Origin", self.daemon.get("/ping", **other).headers)

        question = {"Access-Control-Request-Method": "POST"}
        preflight = self.daemon.request("OPTIONS", "/numbers", headers={**ours, **question})
        self.assertEqual(preflight.status, 204)
        self.assertEqual(preflight.headers["Access-Control-Allow-Origin"], ours["Origin"])
        self.assertEqual(preflight.headers["Access-Control-Allow-Methods"],
                         "GET, POST, DELETE, OPTIONS")
        self.assertEqual(preflight.headers["Access-Control-Allow-Headers"], "Content-Type")

    def test_compressed_answers(self):
        body = json.dumps({"requests": [row(AUTOS, "zip-%d" % i) for i in range(3)]})

        def numbers_of(text):
            return [answer["number"] for answer in json.loads(text)["responses"]]
        plain = self.daemon.request("POST", "/numbers", body)
        self.assertNotIn("Content-Encoding", plain.headers)
        answer = self.daemon.request("POST", "/numbers", body, {"Accept-Encoding": "gzip"})
        self.assertEqual(answer.headers["Content-Encoding"], "gzip")
        self.assertEqual(numbers_of(gzip.decompress(answer.body)), numbers_of(plain.body))


if __name__ == "__main__":
    daemon.main()
