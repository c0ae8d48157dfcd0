"""Loads a daemon with visitors, kills it now and then, and records what they were told.

The daemon may be any object with `port`, `kill()` and `start()` that serves POST /numbers,
GET /numbers and DELETE /numbers/{number}; with `ports` clients take turns at these.
"""

import http.client
import json
import multiprocessing
import pathlib
import random
import tempfile
import threading
import time
import typing
import urllib.parse

import history
from history import Asked, History, Kill, Release, Writer, clock_offset, read_answer

CLIENTS = 4
BATCH = 40
PATIENCE_S = 60
KEY = "k"


class Traffic(typing.NamedTuple):
    """How visitors use a pool."""

    share: float             # of the rows, before bursts
    newcomers: float         # of the rows that may be a session never seen before
    remembered: int          # sessions of a client that come back; others have gone for good
    shared: int = 0          # sessions that every client uses, so that their requests overlap
    releases: bool = True
    by_context: bool = False  # no session ids: the context stands for the visitor


class Visitors:
    """Decides what one client asks next. The same seed and answers give the same requests."""

    BURST = 60  # requests

    def __init__(self, seed, client, traffic):
        self.random = random.Random("%s/%s" % (seed, client))
        self.client, self.traffic = client, traffic
        self.sessions = {pool: [] for pool in traffic}
        self.held = []  # (pool, session, number), told lately
        self.shares = []
        self.requests = self.names = 0

    def next(self):
        """What to ask together: a list of Asked; or one (pool, session, number) to give back."""
        if self.requests % self.BURST == 0:
            self.shares = [t.share * self.random.choice((0, 0.3, 1, 3))
                           for t in self.traffic.values()]
            self.shares[-1] += 0.01  # or none might be left
        self.requests += 1
        kind = self.random.random()
        if kind < 0.15 and self.held:
            return self.held.pop(self.random.randrange(len(self.held)))
        count = BATCH if kind < 0.5 else 1
        pools = self.random.choices(list(self.traffic), self.shares, k=count)
        return [self.ask(pool, str(i) if count > 1 else "") for i, pool in enumerate(pools)]

    def ask(self, pool, request_id):
        traffic, known = self.traffic[pool], self.sessions[pool]
        if traffic.shared and self.random.random() < 0.3:
            name = "everybody's %d" % self.random.randrange(traffic.shared)
        elif known and (self.random.random() >= traffic.newcomers):
            name = self.random.choice(known)
        else:
            name = "%d-%d" % (self.client, self.names)
            self.names += 1
            known.append(name)
            if len(known) > traffic.remembered:
                known.pop(self.random.randrange(len(known)))
        if not traffic.by_context:
            return Asked(pool, name, {"source": self.random.choice("abc")}, request_id)
        context = [("visitor", name), ("source", "a"), ("medium", "b")]
        self.random.shuffle(context)
        return Asked(pool, None, dict(context), request_id)

    def told(self, rows):
        for row in rows:
            if (row.outcome == history.NUMBER and self.traffic[row.pool].releases and
                    not self.traffic[row.pool].by_context):
                self.held.append((row.pool, row.session, row.number))
        del self.held[:-50]


class Client:
    """Asks over one connection that is kept alive, and opens another when the daemon was killed."""

    def __init__(self, port, writer, stop):
        self.port, self.writer, self.stop = port, writer, stop
        self.connection = None

    def connect(self):
        end = time.monotonic() + PATIENCE_S
        while not self.stop.is_set():
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
            try:
                self.connection.connect()
                return True
            except ConnectionError:
                self.connection.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.005)
        return False

    def request(self, method, target, body=None):
        """(start, end, status, JSON); status and JSON are None where the connection broke."""
        start = time.monotonic()
        try:
            self.connection.request(method, target, body)
            response = self.connection.getresponse()
            data = response.read()
            return start, time.monotonic(), response.status, json.loads(data) if data else None
        except TimeoutError:
            raise  # it may take effect at any time: no history could tell
        except (ConnectionError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return start, time.monotonic(), None, None

    def run(self, visitors, pause_s):
        while not self.stop.is_set() and (self.connection or self.connect()):
            what = visitors.next()
            if isinstance(what, tuple):
                records = [self.release(*what)]
            else:
                records = self.ask(what)
                visitors.told(records)
            self.writer.add_all(records)
            time.sleep(visitors.random.expovariate(1 / pause_s))
        if self.connection:
            self.connection.close()

    def record(self, rows):
        self.writer.add_all(self.ask(rows))

    def ask(self, rows):
        clock = clock_offset()
        if len(rows) == 1:
            row = rows[0]
            query = {"pool": row.pool, "key": KEY, **row.context}
            if row.session is not None:
                query["session"] = row.session
            start, end, _, answer = self.request("GET",
                                                 "/numbers?" + urllib.parse.urlencode(query))
            answers = [answer]
        else:
            body = json.dumps({"requests": [as_json(row) for row in rows]})
            start, end, _, answer = self.request("POST", "/numbers", body)
            answers = answer.get("responses", []) if answer else [None] * len(rows)
            if len(answers) != len(rows):
                raise AssertionError("%d rows were answered with %s" % (len(rows), answer))
        return [read_answer(row, answer, start, end, clock) for row, answer in zip(rows, answers)]

    def release(self, pool, session, number):
        query = urllib.parse.urlencode({"pool": pool, "key": KEY, "session": session})
        start, end, status, answer = self.request(
            "DELETE", "/numbers/%s?%s" % (urllib.parse.quote(number), query))
        outcome = {None: history.UNKNOWN, 204: history.RELEASED, 404: history.NOT_HELD,
                   503: answer and answer["error_class"]}.get(status)
        if outcome is None:
            raise AssertionError("a release was answered with %s: %s" % (status, answer))
        return Release(start, end, pool, session, number, outcome)


def as_json(row):
    fields = {"pool": row.pool, "key": KEY, "context": row.context}
    if row.session is not None:
        fields["session"] = row.session
    if row.request_id:
        fields["request_id"] = row.request_id
    return fields


class QuietEnd(typing.NamedTuple):
    """A last part in which every rule finds something to judge, however slow the machine is.

    Needs a pool for itself, of more numbers than TURN; one of a lifetime that outlasts a restart;
    and one of fewer numbers than BATCH.
    """

    ordered: str
    lifetime: float          # of `ordered`
    lasting: str
    small: str

    TURNS = 3
    TURN = 20                # sessions that come one by one

    def run(self, client, kill):
        """Calls `kill()` once, to kill the daemon and start it again; None: no kill."""
        for turn in range(self.TURNS):
            if turn == 1 and kill:
                client.connection.close()
                kill()
                client.connect()
            client.record([Asked(self.lasting, "quiet %d" % i, {}, str(i)) for i in range(BATCH)])
            client.record([Asked(self.small, "quiet %d-%d" % (turn, i), {}, str(i))
                           for i in range(BATCH)])
            for i in range(self.TURN):
                client.record([Asked(self.ordered, "quiet %d-%d" % (turn, i), {})])
            time.sleep(self.lifetime + 0.2)  # then their numbers are surely free


def run_client(path, port, seed, number, traffic, pause_s, stop, ready):
    writer = Writer(path)
    ready.wait(PATIENCE_S)
    try:
        Client(port, writer, stop).run(Visitors(seed, number, traffic), pause_s)
    finally:
        writer.close()


def run(daemon, traffic, seed, seconds, pause_s=0.01, kills=True, quiet_end=None):
    """The history of a daemon that is running, over about so many seconds, and the quiet end."""
    chance = random.Random("%s/kills" % seed)
    # Started anew, not forked: or they would keep open a socket that a daemon in this process
    # listens on.
    spawn = multiprocessing.get_context("spawn")
    stop, ready = spawn.Event(), spawn.Barrier(CLIENTS + 1)
    ports = getattr(daemon, "ports", None) or [daemon.port]
    with tempfile.TemporaryDirectory(prefix="ringmaster-history-") as directory:
        directory = pathlib.Path(directory)
        processes = [spawn.Process(
            target=run_client, args=(directory / ("client-%d" % i), ports[i % len(ports)], seed, i,
                                     traffic, pause_s, stop, ready)) for i in range(CLIENTS)]
        for process in processes:
            process.start()
        killed = []

        def kill(down_s):
            start = time.monotonic()
            daemon.kill()
            time.sleep(down_s)
            daemon.start()
            killed.append(Kill(start, time.monotonic()))

        try:
            ready.wait(PATIENCE_S)
            end = time.monotonic() + seconds
            while True:
                rest = end - time.monotonic()
                pause = chance.uniform(0.5, 2.5)
                if not kills or pause > rest:
                    time.sleep(max(rest, 0))
                    break
                time.sleep(pause)
                kill(chance.choice((0, 0, 0.3)))
        finally:
            stop.set()
            for process in processes:
                process.join()
        failed = [process.exitcode for process in processes if process.exitcode != 0]
        if failed:
            raise AssertionError("%d clients failed, see above" % len(failed))
        if quiet_end:
            writer = Writer(directory / "quiet-end")
            client = Client(daemon.port, writer, threading.Event())
            client.connect()
            quiet_end.run(client, (lambda: kill(0)) if kills else None)
            client.connection.close()
            writer.close()
        result = History.read(directory)
        result.add_all(killed)
        return result
