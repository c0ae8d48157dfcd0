"""GET /events: what happens in all shards, told by whichever is asked, across kills of any."""

import contextlib
import datetime
import itertools
import socket
import threading
import unittest
import urllib.parse

from event_reader import EventReader
from fleet import PEERS, TOKEN, Fleet, daemon, pool_id
from daemon import OVERFLOW, Pool, main, numbers, row, wait_until

SHARDS = 2
POOLS = [Pool(pool_id(SHARDS, i), "k", [n for area in range(201 + 20 * i, 221 + 20 * i)
                                        for n in numbers(area)])
         for i in range(SHARDS)]
SMALL, FULL = (Pool(pool_id(SHARDS, 1, tail), "k", numbers(area, 1))
               for tail, area in (("-small", 301), ("-full", 302)))


def seconds(time):
    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def release(at, pool, number, session):
    query = urllib.parse.urlencode({"pool": pool.id, "key": pool.key, "session": session})
    return at.request("DELETE", "/numbers/%s?%s" % (urllib.parse.quote(number), query))


class Told(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Fleet([*POOLS, SMALL, FULL], SHARDS, {"events": {"ping_ms": 100}})
        cls.addClassCleanup(cls.d.__exit__)
        cls.d.start()
        cls.d.wait_until_serving()
        cls.sessions = map("told-%d".__mod__, itertools.count())

    def setUp(self):
        self.wait_until_nobody_reads()

    def wait_until_nobody_reads(self):
        """Who comes while others read begins where they are, which may be a little behind."""
        def nobody():
            readers = [value for name, value in self.d.at(0).metrics().items()
                       if name.startswith("ringmaster_open_streams{") and '"events"' in name]
            return len(readers) == SHARDS and not any(readers)
        wait_until(nobody, "no reader is left")

    def test_each_shard_tells_what_all_do(self):
        for asked in range(SHARDS):
            with EventReader(self.d.at(asked)) as reader:
                told = {}
                for pool in POOLS:
                    for shard in range(SHARDS):
                        session = next(self.sessions)
                        told[session] = pool, self.d.at(shard).number(
                            pool, session, utm_source="radio").json
                reader.wait_for_sessions(*told)
                self.assertEqual(len(reader.events), len(told))
                for event in reader.events:
                    pool, answer = told[event.data["session"]]
                    self.assertEqual(event.data["pool"], pool.id)
                    self.assertEqual(event.data["number"], answer["number"])
                    self.assertEqual(event.data["context"], {"utm_source": "radio"})
                    self.assertLessEqual(abs(seconds(event.data["expires_at"]) -
                                             seconds(answer["expires_at"])), 1.1)
                    self.assertRegex(event.data["time"], r"^\d{4}-.*T.*\.\d{3}Z$")
                    self.assertEqual(len(event.id.split(",")), SHARDS)

    def test_releases_and_overflows(self):
        with EventReader(self.d.at(0)) as reader:
            session = next(self.sessions)
            number = self.d.at(0).number(SMALL, session).json["number"]
            self.d.at(0).number(SMALL, "late", utm_source="tv")
            self.assertEqual(release(self.d.at(1), SMALL, number, session).status, 204)
            reader.wait_for(lambda _: reader.named("release") and reader.named("overflow"))
            [overflow] = reader.named("overflow")
            self.assertEqual({k: v for k, v in overflow.data.items() if k != "time"},
                             {"pool": SMALL.id, "number": OVERFLOW, "session": "late",
                              "context": {"utm_source": "tv"}, "reason": "exhausted"})
            [released] = reader.named("release")
            self.assertEqual({k: v for k, v in released.data.items() if k != "time"},
                             {"pool": SMALL.id, "number": number, "session": session})
            self.assertLess(reader.events.index(reader.named("allocation")[0]),
                            reader.events.index(released))

    def test_filters(self):
        first, second = next(self.sessions), next(self.sessions)
        with EventReader(self.d.at(0), "?pool=%s&type=allocation,touch" % POOLS[1].id) as reader:
            for pool in POOLS:
                self.d.at(0).number(pool, first)
                self.d.at(0).number(pool, first)
                self.d.at(0).number(pool, first, campaign="new")
                self.d.at(0).number(pool, second)
            reader.wait_for_sessions(first, second)
            self.assertEqual({e.data["pool"] for e in reader.events}, {POOLS[1].id})
            self.assertEqual([e.name for e in reader.events],
                             ["allocation", "touch", "touch", "allocation"])
            self.assertEqual([e.data.get("context") for e in reader.events],
                             [{}, None, {"campaign": "new"}, {}])

    def check_what_was_missed(self, with_others, resume):
        """`resume(id)` is the query and the Last-Event-ID with which a reader comes back."""
        self.wait_until_nobody_reads()
        first, last = next(self.sessions), next(self.sessions)
        missed = [next(self.sessions) for _ in range(4)]
        with EventReader(self.d.at(0)) as reader:
            self.d.at(0).number(POOLS[0], first)
            reader.wait_for_sessions(first)
        for session, pool in zip(missed, [*POOLS, *POOLS]):
            self.d.at(0).number(pool, session)
        with contextlib.ExitStack() as stack:
            if with_others:
                stack.enter_context(EventReader(self.d.at(1)))
            again = stack.enter_context(EventReader(self.d.at(1), *resume(reader.last_id)))
            again.wait_for_sessions(*missed)
            self.d.at(0).number(POOLS[0], last)
            again.wait_for_sessions(last)
            self.assertEqual(sorted(e.data["session"] for e in again.events),
                             sorted([*missed, last]))

    def test_what_was_missed_comes_first(self):
        self.check_what_was_missed(False, lambda id: ("", id))
        self.check_what_was_missed(False, lambda id: ("?after=" + id, None))

    def test_what_was_missed_comes_first_where_others_read_on(self):
        self.check_what_was_missed(True, lambda id: ("", id))

    def test_overflows_are_kept_for_a_while(self):
        self.d.at(0).number(FULL, "who has it")
        with EventReader(self.d.at(0), "?type=overflow&pool=" + FULL.id) as reader:
            self.d.at(1).number(FULL, "too late")
            reader.wait_for(lambda events: len(events) == 1)
        self.d.at(1).number(FULL, "later still")
        with EventReader(self.d.at(0), "?type=overflow", reader.last_id) as reader:
            reader.wait_for(lambda events: len(events) == 1)
            self.assertEqual(reader.events[0].data["session"], "later still")

    def test_it_is_said_how_far_all_was_looked_through(self):
        with EventReader(self.d.at(0), "?type=release") as reader:
            wait_until(lambda: reader.last_id, "a ping comes")
            before = reader.last_id
            self.d.at(0).number(POOLS[0], next(self.sessions))
            wait_until(lambda: reader.last_id != before, "the next one is behind that")
            self.assertEqual(reader.events, [])

    def test_bad_queries(self):
        for query, said in (
                ("pool=none", "there is no pool 'none'"),
                ("type=call", "'type' is 'call'; expected some of"),
                ("type=lost", "'type' is 'lost'; expected some of"),
                ("after=yesterday", "'after' is 'yesterday'; expected the id of an event"),
                ("since=1", "'since' is no parameter of this")):
            answer = self.d.at(0).admin("GET", "/events?" + query)
            self.assertEqual(answer.status, 400)
            self.assertIn(said, answer.json["message"])

    def test_only_the_administrator_may(self):
        self.assertEqual(self.d.get("/events").status, 401)
        self.assertEqual(self.d.get("/events", Authorization="Bearer wrong").status, 403)


class Bounds(unittest.TestCase):
    def test_there_is_a_bound_to_readers(self):
        d = Fleet([SMALL], SHARDS, {"events": {"max_readers": 2}})
        self.addCleanup(d.__exit__)
        d.start()
        d.wait_until_serving()
        with EventReader(d.at(0)), EventReader(d.at(0)), EventReader(d.at(1)):
            answer = d.at(0).admin("GET", "/events")
            self.assertEqual(answer.status, 503)
            self.assertIn("2 readers", answer.json["message"])
            self.assertTrue(answer.headers["Retry-After"])
        wait_until(lambda: d.at(0).admin("HEAD", "/events").status == 200, "they have left")


class Following(threading.Thread):
    """Reads all the time, and comes back to whatever shard there is where it is cut off."""

    def __init__(self, d, query=""):
        super().__init__(daemon=True)
        self.d, self.query = d, query
        self.events, self.last_id = [], None
        self.began, self.ending, self.interruptions = threading.Event(), threading.Event(), 0

    def run(self):
        for shard in itertools.cycle(range(SHARDS)):
            if self.ending.is_set():
                return
            try:
                reader = EventReader(self.d.at(shard), self.query, self.last_id)
            except (OSError, AssertionError, daemon.http.client.HTTPException):
                self.ending.wait(0.01)
                continue
            with reader:
                # So that there is an id for whatever becomes of this connection.
                wait_until(lambda: reader.last_id or reader.is_over(), "there is an id")
                self.began.set()
                wait_until(lambda: reader.is_over() or self.ending.is_set(), "it is cut off")
            self.interruptions += 1
            self.last_id = reader.last_id
            self.events += reader.events

    def wait_for_sessions(self, sessions):
        """And end. All that is told afterwards is missing."""
        while True:
            self.ending.set()
            self.join()
            seen = {e.data.get("session") for e in self.events if e.name == "allocation"}
            if seen >= sessions:
                return
            with EventReader(self.d.at(0), self.query, self.last_id) as reader:
                reader.wait_for_sessions(*(sessions - seen))
            self.last_id = reader.last_id
            self.events += reader.events


class Interrupted(unittest.TestCase):
    def start(self, **sections):
        d = Fleet([*POOLS, SMALL], SHARDS, {
            "events": {"ping_ms": 100}, **sections})
        self.addCleanup(d.__exit__)
        d.start()
        d.wait_until_serving()
        return d

    def follow(self, d, rounds, interrupt):
        """What was acknowledged, by session, while it is interrupted again and again."""
        told, failures = {}, []
        names = map("kept-%d".__mod__, itertools.count())
        following = Following(d)
        following.start()
        self.assertTrue(following.began.wait(daemon.PATIENCE_S))

        def allocate(count):
            end = len(told) + count
            while len(told) < end:
                session = next(names)
                for pool in POOLS:
                    try:
                        answer = d.at(len(told) % SHARDS).number(pool, session + pool.id)
                    except (OSError, daemon.http.client.HTTPException):
                        continue
                    if answer.status == 200 and "overflow" not in answer.json:
                        told[session + pool.id] = answer.json["number"]
                    elif answer.status != 200:
                        failures.append(answer.body)
        for i in range(rounds):
            allocate(40)
            interrupt(i)
            allocate(40)
        d.wait_until_serving()
        following.wait_for_sessions(set(told))
        self.assertEqual(failures, [])
        self.assertGreater(following.interruptions, 0)
        allocations = [e.data for e in following.events if e.name == "allocation"]
        seen = [a["session"] for a in allocations]
        self.assertEqual(len(seen), len(set(seen)), "each is told once")
        for data in allocations:
            if data["session"] in told:
                self.assertEqual(data["number"], told[data["session"]])
        # Of overflows nobody knows whether there were any in a shard that was killed.
        for event in following.events:
            if event.name == "lost":
                self.assertEqual(event.data["types"], "overflow")

    def test_shards_are_killed(self):
        d = self.start()

        def kill(i):
            pid = d.kill_shard(i % SHARDS)
            wait_until(lambda: d.shard_pids().get(i % SHARDS, pid) != pid, "it is there again")
        self.follow(d, 6, kill)

    def test_all_is_killed(self):
        # Small segments, so that what was missed is in several files.
        d = self.start(store={"segment_bytes": 4096})

        def kill(_):
            d.kill()
            d.start()
        self.follow(d, 3, kill)

    def test_all_is_stopped_and_started(self):
        d = self.start(store={"fsync": "always"})

        def stop(_):
            self.assertEqual(d.stop(), 0)
            d.start()
        self.follow(d, 2, stop)

    def test_the_number_of_shards_changes(self):
        d = self.start()
        with EventReader(d.at(0)) as reader:
            d.at(0).number(POOLS[0], "before")
            reader.wait_for_sessions("before")
        self.assertEqual(d.stop(), 0)
        d.shards = 3
        d.write_config([*POOLS, SMALL], {**d.sections, "server": {
            k: v for k, v in d.sections["server"].items() if k != "shards"}})
        d.start()
        d.wait_until_serving()
        for pool in POOLS:
            d.at(0).number(pool, "after" + pool.id)
        with EventReader(d.at(0), last_id=reader.last_id) as again:
            again.wait_for_sessions(*("after" + pool.id for pool in POOLS))
            self.assertEqual(len(again.named("allocation")), len(POOLS))
            self.assertIn({"count": None, "types": "allocation,release"},
                          [e.data for e in again.named("lost")])

    def test_a_shard_that_hangs_holds_nobody_up(self):
        d = self.start(peers=PEERS)
        with EventReader(d.at(0)) as reader:
            d.stop_shard(1)
            d.at(0).number(POOLS[0], "mine")
            reader.wait_for_sessions("mine")
            wait_until(lambda: d.at(0).number(POOLS[1], "other").json.get("reason"), "overflow")
            reader.wait_for(lambda _: [e for e in reader.named("overflow")
                                       if e.data["reason"] == "owner_slow"])
            d.continue_shard(1)
            wait_until(lambda: "overflow" not in d.at(0).number(POOLS[1], "then").json, "numbers")
            reader.wait_for_sessions("then")

    def test_streams_end_in_good_order_when_the_daemon_stops(self):
        d = self.start()
        with EventReader(d.at(0)) as reader:
            self.assertEqual(d.stop(), 0)
            wait_until(reader.is_over, "the stream ends")
            # With the last chunk, that is.
            self.assertTrue(reader.response.isclosed())


class Lost(unittest.TestCase):
    def test_a_slow_reader_is_told_how_many_he_missed(self):
        kib = 1024
        d = Fleet([*POOLS, SMALL], SHARDS, {
            "events": {"max_buffer_bytes": 64 * kib},
            "server": {"output_high_water_bytes": 16 * kib, "write_timeout_ms": 600000}})
        self.addCleanup(d.__exit__)
        d.start()
        d.wait_until_serving()
        d.at(0).number(SMALL, "who has it")
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * kib)
        slow.settimeout(daemon.PATIENCE_S)
        slow.connect(("127.0.0.1", d.at(0).port))
        self.addCleanup(slow.close)
        slow.sendall(b"GET /events?type=overflow HTTP/1.1\r\nHost: a\r\n"
                     b"Authorization: Bearer %s\r\n\r\n" % TOKEN.encode())
        daemon.receive_until(slow, b"\n\n\r\n")
        asked = 0
        with EventReader(d.at(0), "?type=overflow") as quick:
            # Until the kernel's buffers are full, and those of the daemon.
            for _ in range(250):
                rows = [row(SMALL, "s%d" % (asked + i), filler="x" * 2000) for i in range(20)]
                d.at(0).batch(rows)
                asked += len(rows)
                quick.wait_for(lambda events: len(events) == asked)
            self.assertEqual(quick.named("lost"), [])
            d.at(0).batch([row(SMALL, "the last one")])
            text = b""
            while b'"the last one"' not in text:
                piece = slow.recv(65536)
                self.assertTrue(piece, "it was cut off")
                text += piece
        told = text.count(b"event: overflow")
        lost = [int(rest.partition(b",")[0]) for rest in text.split(b'{"count":')[1:]]
        self.assertGreater(sum(lost), 0)
        self.assertEqual(told + sum(lost), asked + 1)

    def test_what_retention_has_removed_is_lost(self):
        pool = Pool(pool_id(SHARDS, 0), "k", numbers(201), lifetime_seconds=1)
        d = Fleet([pool], SHARDS, {"events": {"ping_ms": 100}, "store": {
            "segment_bytes": 4096, "snapshot_after_bytes": 8192, "history_max_bytes": 4096}})
        self.addCleanup(d.__exit__)
        d.start()
        d.wait_until_serving()
        with EventReader(d.at(0)) as reader:
            d.at(0).number(pool, "first")
            reader.wait_for_sessions("first")
        directory = d.directory / "data" / "store" / "shard-0"
        oldest = min(directory.glob("journal-*"))
        for i in itertools.count():
            d.at(0).number(pool, "s%d" % (i % 50), filler=str(i) * 100)
            if not oldest.exists():
                break
        with EventReader(d.at(1), last_id=reader.last_id) as again:
            again.wait_for(lambda _: again.named("lost"))
            self.assertEqual(again.events[0].data,
                             {"count": None, "types": "allocation,release"})
            d.at(0).number(pool, "now")
            again.wait_for_sessions("now")


if __name__ == "__main__":
    main()
