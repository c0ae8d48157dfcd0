"""Clients that send what they should not, or too slowly, or too much, hold up only themselves."""

import os
import resource
import select
import socket
import unittest

import daemon
from daemon import Daemon, Pool, ask, numbers, receive_all

POOL = Pool("autos", "k", numbers(201))
PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"

# Requests that proxies in front may have read otherwise: who reads on after them may read what
# another client has smuggled in.
SMUGGLED = {
    "length and coding": b"POST /ping HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                         b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /ping HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                   b"Content-Length: 6\r\n\r\nhello",
    "length that is a list": b"POST /ping HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
    "length with a sign": b"POST /ping HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    "length of 2^64": b"POST /ping HTTP/1.1\r\nHost: a\r\n"
                      b"Content-Length: 18446744073709551616\r\n\r\n",
    "space before the colon": b"GET /ping HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
    "folded line": b"GET /ping HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "bare line feed": b"GET /ping HTTP/1.1\nHost: a\n\n",
    "bare carriage return": b"GET /ping HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n",
    "NUL": b"GET /ping HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "chunk size with a sign": b"POST /ping HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                              b"\r\n+5\r\nhello\r\n0\r\n\r\n",
    "chunk size of 2^64": b"POST /ping HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "no host": b"GET /ping HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
}


class Framing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon([POOL])
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.daemon.start()

    def test_doubtful_framing_ends_the_connection(self):
        for name, request in SMUGGLED.items():
            with self.subTest(name):
                answers = self.daemon.raw(request + PING)
                self.assertEqual(daemon.statuses(answers), [400], answers)
                self.assertIn(b"connection: close", answers.lower())

    def test_good_requests_before_it_are_answered(self):
        answers = self.daemon.raw(PING + PING + SMUGGLED["two lengths"] + PING)
        self.assertEqual(daemon.statuses(answers), [200, 200, 400])

    def test_limits(self):
        long_target = b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        self.assertEqual(daemon.statuses(self.daemon.raw(long_target)), [414])
        long_head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"
        self.assertEqual(daemon.statuses(self.daemon.raw(long_head)), [431])
        many_fields = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: x\r\n" * 200 + b"\r\n"
        self.assertEqual(daemon.statuses(self.daemon.raw(many_fields)), [431])
        long_body = b"POST /numbers HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n"
        self.assertEqual(daemon.statuses(self.daemon.raw(long_body)), [413])


class Slowness(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon([POOL], {"server": {
            "header_timeout_ms": 500, "body_timeout_ms": 500, "idle_timeout_ms": 1500,
            "write_timeout_ms": 1000, "output_high_water_bytes": 16384}})
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.daemon.start()

    def drip(self, data):
        """What comes back to bytes that are sent one at a time, until the connection is closed."""
        with self.daemon.socket() as connection:
            for byte in data:
                try:
                    connection.send(bytes([byte]))
                except (BrokenPipeError, ConnectionResetError):
                    break
                if select.select([connection], [], [], 0.05)[0]:
                    break
            else:
                self.fail("all of it was taken")
            return receive_all(connection)

    def test_slow_header(self):
        head = b"GET /ping HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 300
        self.assertEqual(daemon.statuses(self.drip(head)), [408])

    def test_slow_body(self):
        head = b"POST /numbers HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
        with self.daemon.socket() as connection:
            connection.sendall(head)
            self.assertEqual(daemon.statuses(receive_all(connection)), [408])

    def test_idle_connection(self):
        with self.daemon.socket() as connection:
            self.assertEqual(receive_all(connection), b"")
        with self.daemon.socket() as connection:
            connection.sendall(PING)
            self.assertEqual(daemon.statuses(receive_all(connection)), [200])

    def memory_kib(self):
        return daemon.status_of(self.daemon.shard_pids()[0], "VmRSS")

    def test_slow_reader(self):
        before = self.memory_kib()
        reader = socket.socket()
        self.addCleanup(reader.close)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", self.daemon.port))
        reader.setblocking(False)
        sent = 0
        try:
            # Until it is read no further, and then until it is cut off.
            while select.select([], [reader], [], daemon.PATIENCE_S)[1]:
                sent += reader.send(PING * 1000)
                self.assertLess(sent, 256 << 20)
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            self.fail("it was not cut off")
        # AddressSanitizer keeps what was freed for a while.
        self.assertLess(self.memory_kib() - before, 64 * 1024)
        self.assertEqual(self.daemon.get("/ping").status, 200)


class Descriptors(unittest.TestCase):
    def test_few_descriptors_bound_the_connections(self):
        d = Daemon([POOL], descriptors=64)
        self.addCleanup(d.__exit__)
        d.start()
        said = ("max_connections is 15000, but only 64 files may be open at once (ulimit -n): at "
                "most 32 connections are accepted at once")
        daemon.wait_until(lambda: said in d.log(), "the shard says so")
        served = [d.connect() for _ in range(32)]
        for connection in served:
            self.addCleanup(connection.close)
            self.assertEqual(ask(connection, "GET", "/ping").status, 200)
        waiting = d.socket()
        self.addCleanup(waiting.close)
        waiting.sendall(PING)
        for i, connection in enumerate(served):
            target = daemon.numbers_target(POOL, "s%d" % i)
            self.assertNotIn("overflow", ask(connection, "GET", target).json)
        self.assertEqual(select.select([waiting], [], [], 0), ([], [], []))
        served[0].close()
        daemon.receive_until(waiting, b"pong")

    def test_none_left(self):
        d = Daemon([POOL])
        self.addCleanup(d.__exit__)
        d.start()
        served = d.connect()
        self.addCleanup(served.close)
        self.assertEqual(ask(served, "GET", "/ping").status, 200)

        pid = d.shard_pids()[0]
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        highest = max(int(fd) for fd in os.listdir("/proc/%d/fd" % pid))
        # Descriptors below the highest that are free are taken by the first who come.
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        waiting = [d.socket() for _ in range(20)]
        for connection in waiting:
            self.addCleanup(connection.close)
            connection.sendall(PING)
        for _ in range(100):
            self.assertEqual(ask(served, "GET", "/ping").status, 200)
        self.assertNotEqual(select.select(waiting, [], [], 0)[0], waiting)
        daemon.wait_until(lambda: "can't accept connections for now" in d.log(), "it is told")

        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for connection in waiting:
            daemon.receive_until(connection, b"pong")


if __name__ == "__main__":
    daemon.main()
