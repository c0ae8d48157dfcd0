"""Numbers that are held by presence: GET /numbers/stream."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import unittest
import urllib.parse

import daemon
from daemon import Daemon, Pool, numbers, wait_until

POOL = Pool("autos", "k", numbers(201))
ONE = Pool("one", "k", numbers(202, 1), lifetime_seconds=1)
TOKEN = {"Authorization": "Bearer " + "t" * 16}
MANY = 6000  # streams; the pages that are empty without 99 of 100 take 1.7 MiB


class Stream:
    """An event stream, as a browser reads it (WHATWG HTML, 9.2.6), but without connecting anew."""

    def __init__(self, d, pool, session, last_event_id=None, **context):
        query = {"pool": pool.id, "key": pool.key, "session": session, **context}
        self.connection = d.connect()
        self.connection.request("GET", "/numbers/stream?" + urllib.parse.urlencode(query),
                                headers={"Last-Event-ID": last_event_id} if last_event_id else {})
        self.response = self.connection.getresponse()
        self.retry = None
        self.pings = 0
        self.events = []
        self.last_event_id = last_event_id

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.response.close()
        self.connection.close()

    def read(self):
        """One event, retry or comment. False at the end."""
        fields, line = {}, None
        while line != "":
            line = self.response.readline().decode()
            if not line:
                return False
            line = line.rstrip("\n")
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
        self.retry = fields.get("retry", self.retry)
        self.pings += "" in fields
        self.last_event_id = fields.get("id", self.last_event_id)
        if "data" in fields:
            self.events.append((fields["event"], json.loads(fields["data"])))
        return True

    def event(self):
        """The next one."""
        count = len(self.events)
        while len(self.events) == count:
            if not self.read():
                raise AssertionError("the stream ended after %r" % self.events)
        return self.events[-1]

    def number(self):
        name, row = self.event()
        assert name == "number", (name, row)
        return row["number"]

    def read_pings(self, count):
        end = self.pings + count
        while self.pings < end:
            if not self.read():
                raise AssertionError("the stream ended")


def streams_of(d):
    """How many are open, as metrics tell."""
    return float(re.search(rb'ringmaster_open_streams\{[^}]*endpoint="numbers"\} (\S+)',
                           d.get("/metrics").body)[1])


class Streams(unittest.TestCase):
    def start(self, pools, shards=1, **streams):
        d = Daemon(pools, {"server": {"shards": shards, "half_close_timeout_ms": 0},
                           "streams": {"ping_ms": 100, **streams},
                           "admin": {"token": "t" * 16}})
        self.addCleanup(d.__exit__)
        return d.start()

    def test_begins_with_the_number_of_the_session(self):
        d = self.start([POOL], retry_ms=1234)
        with Stream(d, POOL, "a", utm_source="x") as stream:
            self.assertEqual(stream.response.status, 200)
            self.assertEqual(stream.response.getheader("Content-Type"), "text/event-stream")
            name, row = stream.event()
            self.assertEqual(name, "number")
            self.assertEqual(stream.retry, "1234")
            self.assertEqual(stream.last_event_id, row["number"])
            holder = d.get("/numbers/" + row["number"], **TOKEN).json
            self.assertEqual(holder["context"], {"utm_source": "x"})
            self.assertEqual(d.number(POOL, "a").json["number"], row["number"])

    def test_memory_goes_back_when_most_have_left(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        d = self.start([POOL], ping_ms=10000)
        shard = d.shard_pids()[0]
        request = b"GET /numbers/stream?pool=autos&key=k&session=%d HTTP/1.1\r\nHost: a\r\n\r\n"
        with contextlib.ExitStack() as stack:
            clients = []
            for i in range(MANY):
                clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", d.port))))
                clients[-1].sendall(request % i)
                # Most are told the overflow number, and hold nothing.
                self.assertIn(b"200 OK", clients[-1].recv(4096))
            took = daemon.status_of(shard, "RssAnon")
            for i, client in enumerate(clients):
                if i % 100:
                    client.close()
            wait_until(lambda: streams_of(d) == MANY / 100, "most have left")
            wait_until(lambda: took - daemon.status_of(shard, "RssAnon") > 1024,
                       "memory has gone back")

    def test_fails_as_a_single_request_does(self):
        d = self.start([POOL])
        for query, status in (("pool=autos&key=guess", 403), ("pool=autos", 400)):
            answer = d.get("/numbers/stream?" + query)
            self.assertEqual(answer.status, status)
            self.assertIn("error_class", answer.json)

    def test_holds_the_number_for_longer_than_its_lifetime(self):
        for shards in (1, 2):
            d = self.start([ONE], shards)
            with Stream(d, ONE, "here") as stream:
                number = stream.number()
                for _ in range(3):  # each takes a lifetime
                    self.assertTrue(d.number(ONE, "other").json["overflow"])
                    stream.read_pings(10)
                self.assertTrue(d.number(ONE, "other").json["overflow"])
                self.assertEqual(stream.events[1:], [])
            # Its lifetime is over some time after its end.
            wait_until(lambda: d.number(ONE, "other").json["number"] == number, "it is free again")

    def test_several_streams_of_a_session_share_its_number(self):
        d = self.start([ONE], 2)
        with Stream(d, ONE, "here") as first:
            number = first.number()
            with Stream(d, ONE, "here") as second:
                self.assertEqual(second.number(), number)
                second.close()
                first.read_pings(25)
                self.assertTrue(d.number(ONE, "other").json["overflow"])
                self.assertEqual(len(first.events), 1)

    def test_of_two_contexts_the_later_one_stays_when_the_earlier_stream_ends(self):
        pool = Pool("brief", "k", numbers(204, 1), lifetime_seconds=1)
        d = self.start([pool], 2)
        with Stream(d, pool, "a", utm_source="old") as old:
            number = old.number()
            with Stream(d, pool, "a", utm_source="new") as new:
                self.assertEqual(new.number(), number)
                old.read_pings(10)  # both have been renewed by then
                old.close()
                new.read_pings(10)
                holder = d.get("/numbers/" + number, **TOKEN).json
                self.assertEqual(holder["context"], {"utm_source": "new"})

    def test_writes_nothing_for_a_ping(self):
        d = self.start([POOL])
        with Stream(d, POOL, "a") as stream:
            stream.number()
            before = self.journal(d)
            stream.read_pings(5)
            self.assertEqual(self.journal(d), before)
        wait_until(lambda: self.journal(d) != before, "the end of the stream is written")

    @staticmethod
    def journal(d):
        """How many allocations are in it."""
        dump = daemon.command("journal", "dump", "--config", d.config, "--json").stdout
        return sum(json.loads(line)["type"] in ("hold", "touch") for line in dump.splitlines())

    def test_lifetime_starts_at_the_end_of_the_stream_even_when_the_daemon_stops(self):
        d = self.start([POOL])
        with Stream(d, POOL, "a") as stream:
            number = stream.number()
            before = self.journal(d)
            d.signal(signal.SIGTERM)
            while stream.read():
                pass
        self.assertEqual(d.wait(), 0)
        self.assertEqual(self.journal(d), before + 1)
        self.assertNotIn("cut off", d.log())
        d.start()
        self.assertEqual(d.number(POOL, "a").json["number"], number)

    def test_who_comes_back_after_a_crash_has_the_same_number(self):
        d = self.start([POOL])
        with contextlib.ExitStack() as stack:
            before = [stack.enter_context(Stream(d, POOL, "v%d" % i)) for i in range(20)]
            held = [stream.number() for stream in before]
            self.assertEqual(len(set(held)), 20)
            d.kill()
            for stream in before:
                with contextlib.suppress(OSError, ValueError):
                    while stream.read():
                        pass
            d.start()
            for i, stream in enumerate(before):
                with Stream(d, POOL, "v%d" % i, stream.last_event_id) as again:
                    again.read_pings(1)
                    self.assertEqual(again.events, [], "it knows its number")
                self.assertEqual(d.number(POOL, "v%d" % i).json["number"], held[i])

    def test_a_drained_number_is_followed_by_another(self):
        pool = Pool("two", "k", numbers(203, 2), lifetime_seconds=1)
        d = self.start([pool], 2)
        with Stream(d, pool, "a") as stream:
            first = stream.number()
            answer = d.request("DELETE", "/pools/two/numbers/" + first, headers=TOKEN)
            self.assertEqual(answer.status, 200, answer.body)
            second = stream.number()
            self.assertNotEqual(second, first)
            self.assertEqual(d.number(pool, "a").json["number"], second)

    def test_ends_with_its_pool(self):
        pool = Pool("short", "k", numbers(203, 2), lifetime_seconds=1)
        d = self.start([POOL, pool], 2)
        with Stream(d, pool, "a") as stream:
            stream.number()
            self.assertEqual(d.request("DELETE", "/pools/short", headers=TOKEN).status, 204)
            name, error = stream.event()
            self.assertEqual((name, error["error_class"]), ("unavailable", "InvalidKey"))
            while stream.read():
                pass

    def test_an_overflow_number_is_followed_by_a_number(self):
        d = self.start([ONE])
        with Stream(d, ONE, "here") as here, Stream(d, ONE, "there") as there:
            number = here.number()
            self.assertEqual(there.event(), ("number", {
                "number": daemon.OVERFLOW, "formatted": there.events[0][1]["formatted"],
                "overflow": True, "reason": "exhausted"}))
            here.close()
            self.assertEqual(there.number(), number)

    def test_has_a_bound(self):
        d = self.start([POOL], max_streams=2)
        with Stream(d, POOL, "a") as a, Stream(d, POOL, "b"):
            refused = d.get("/numbers/stream?pool=autos&key=k&session=c")
            self.assertEqual(refused.status, 503)
            self.assertIsNotNone(refused.headers["Retry-After"])
            a.close()
            wait_until(lambda: d.get("/numbers/stream?pool=autos&key=guess").status == 403,
                       "there is room again")

    def test_costs_no_descriptor_when_it_is_gone(self):
        d = self.start([POOL])
        pid = d.shard_pids()[0]

        def sockets():  # files of the journal come and go
            count = 0
            for file in os.listdir("/proc/%d/fd" % pid):
                with contextlib.suppress(OSError):
                    count += os.readlink("/proc/%d/fd/%s" % (pid, file)).startswith("socket:")
            return count

        def open_streams():
            with contextlib.ExitStack() as stack:
                streams = [stack.enter_context(Stream(d, POOL, "v%d" % i)) for i in range(50)]
                for stream in streams:
                    stream.number()
                return sockets()
        most = open_streams()
        wait_until(lambda: sockets() == most - 50, "all are closed")
        self.assertEqual(open_streams(), most)
        wait_until(lambda: sockets() == most - 50, "all are closed")


if __name__ == "__main__":
    daemon.main()
