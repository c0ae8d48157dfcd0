"""What clients of a daemon saw: who asked when, and what he was told.

A record says no more than a client can know. A request takes effect at some instant between `start`
and `end`, if at all where its answer never came. All times are seconds of CLOCK_MONOTONIC, which
every process of the machine reads alike.

On disk a history is a directory with one append-only file per writer, a JSON array a line.
"""

import json
import time
import typing

NUMBER = "number"        # the session was given a number
OVERFLOW = "overflow"    # it was given the overflow number; `reason` says why
ERROR = "error"          # `reason` is the error class
UNKNOWN = "unknown"      # no answer came: it may have taken effect or not

RELEASED = "released"
NOT_HELD = "not held"


class Row(typing.NamedTuple):
    """One row asked for, alone or in a batch."""

    start: float             # before the first byte of the request was sent
    end: float               # after the last byte of the answer, or after the connection broke
    clock: float             # what CLOCK_REALTIME was ahead of CLOCK_MONOTONIC at `start`
    pool: str
    session: str             # a session's id, or a context in its place: see identity()
    outcome: str
    number: str = ""
    formatted: str = ""
    expires_at: str = ""
    reason: str = ""
    request_id: str = ""     # as it was sent; empty: none
    echoed: str = ""         # as it came back

    def __str__(self):
        told = {NUMBER: "%s until %s" % (self.number, self.expires_at),
                OVERFLOW: "overflow %s, %s" % (self.number, self.reason),
                ERROR: self.reason, UNKNOWN: "no answer"}[self.outcome]
        return "%.4f to %.4f: %s of pool %s asked%s: %s" % (
            self.start, self.end, self.session, self.pool,
            " as " + self.request_id if self.request_id else "", told)


class Release(typing.NamedTuple):
    """A session gave a number back, or tried to."""

    start: float
    end: float
    pool: str
    session: str
    number: str
    outcome: str             # RELEASED, NOT_HELD, UNKNOWN, or the error class

    def __str__(self):
        return "%.4f to %.4f: %s of pool %s gave back %s: %s" % (
            self.start, self.end, self.session, self.pool, self.number, self.outcome)


class Kill(typing.NamedTuple):
    """The daemon was killed, and started again."""

    start: float             # before the signal
    end: float               # when the next one listened

    def __str__(self):
        return "%.4f to %.4f: killed and started again" % self


class History:
    def __init__(self):
        self.rows, self.releases, self.kills = [], [], []

    def add(self, record):
        {Row: self.rows, Release: self.releases, Kill: self.kills}[type(record)].append(record)

    def add_all(self, records):
        for record in records:
            self.add(record)

    @staticmethod
    def read(directory):
        kinds = {kind.__name__: kind for kind in (Row, Release, Kill)}
        history = History()
        for path in sorted(directory.iterdir()):
            with open(path) as lines:
                for line in lines:
                    kind, *fields = json.loads(line)
                    history.add(kinds[kind](*fields))
        return history


class Writer:
    """Appends to one file of a history's directory."""

    def __init__(self, path):
        self.file = open(path, "a")

    def add_all(self, records):
        self.file.writelines(json.dumps([type(record).__name__, *record]) + "\n"
                             for record in records)

    def close(self):
        self.file.close()


class Asked(typing.NamedTuple):
    """One row as a client sends it."""

    pool: str
    session: str | None      # None: the context stands for the visitor
    context: dict
    request_id: str = ""

    def identity(self):
        """Two rows of a pool with the same one are the same visitor, and only they."""
        if self.session is not None:
            return self.session
        return "context " + json.dumps(self.context, sort_keys=True)


def clock_offset():
    while True:
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        if after - before < 0.001:  # else this process had to wait in between
            return wall - after


def read_answer(asked, answer, start, end, clock):
    """The record of a row: `answer` is the JSON object that came, or None where none did."""
    row = Row(start, end, clock, asked.pool, asked.identity(), UNKNOWN, request_id=asked.request_id)
    if answer is None:
        return row
    row = row._replace(echoed=answer.get("request_id", ""))
    if "error_class" in answer:
        reason = answer["error_class"]
        # A pool without overflow says in the message which reason it would have been.
        for other in ("store_unavailable", "owner_slow", "owner_down"):
            if reason == "PoolExhausted" and other in answer.get("message", ""):
                reason = other
        return row._replace(outcome=ERROR, reason=reason)
    row = row._replace(outcome=NUMBER, number=answer.get("number", ""),
                       formatted=answer.get("formatted", ""),
                       expires_at=answer.get("expires_at", ""))
    if answer.get("overflow"):
        row = row._replace(outcome=OVERFLOW, reason=answer.get("reason", ""))
    return row
