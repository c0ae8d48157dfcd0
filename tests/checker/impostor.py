"""A small allocator that can be told to break one promise, and an HTTP server around it.

What the checker says of it shows that the checker finds what it should, and nothing else. It is
simple rather than fast: each row looks at every number of its pool.
"""

import http.server
import json
import random
import socket
import threading
import time
import urllib.parse

from checker import formatted


def utc(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Slot:
    def __init__(self):
        self.session = None
        self.begun = self.touched = self.expires = self.eligible = float("-inf")


class Allocator:
    """Keeps every promise, or all but one: `defect` is None or a key of DEFECTS."""

    def __init__(self, pools, seed=0, defect=None):
        self.pools, self.defect = pools, defect
        self.random = random.Random(seed)
        self.slots = {id: {number: Slot() for number in sorted(rules.numbers)}
                      for id, rules in pools.items()}
        self.numbers = {}  # (pool, session): the one it had last

    def now_and_then(self, defect, chance=0.1):
        return self.defect == defect and self.random.random() < chance

    def allocate(self, pool, session, now):
        """(number, when it expires), or None where none is left."""
        rules, slots = self.pools[pool], self.slots[pool]
        number = self.numbers.get((pool, session))
        forgets = False
        if number is not None:
            slot = slots[number]
            goes_on = now < slot.expires
            forgets = goes_on and self.now_and_then("forgets a session")
            reached = rules.max_hold and slot.expires - slot.begun >= rules.max_hold
            if (goes_on or not reached) and not forgets:
                if not goes_on:
                    slot.begun = now
                self.touch(rules, slot, now)
                return number, slot.expires
        elif self.now_and_then("overflows too early"):
            return None
        number = self.pick(pool, now)
        if number is None:
            return None
        slot = slots[number]
        former = (pool, slot.session)
        stolen = self.defect == "hands out what is held" and now < slot.eligible
        if self.numbers.get(former) == number and not stolen:
            del self.numbers[former]
        self.numbers[pool, session] = number
        slot.session, slot.begun = session, now
        self.touch(rules, slot, now)
        return number, slot.expires

    def touch(self, rules, slot, now):
        prolongs = not rules.max_hold or now - slot.begun < rules.max_hold
        if now < slot.expires and not prolongs and self.defect != "ignores max_hold":
            return
        slot.touched = now
        slot.expires = now + rules.lifetime
        slot.eligible = slot.expires + rules.cooldown

    def pick(self, pool, now):
        rules, slots = self.pools[pool], self.slots[pool]

        def eligible_at(slot):
            if self.defect == "ignores the cool-down":
                return slot.expires
            if self.defect == "shortens the lifetime":
                return slot.eligible - rules.lifetime / 2
            return slot.eligible

        free = [number for number, slot in slots.items() if eligible_at(slot) <= now]
        if not free:
            # Where nobody gives numbers back, or one's release would end another's hold.
            held = not rules.overflow and self.now_and_then("hands out what is held")
            return self.random.choice(list(slots)) if held else None
        if self.defect == "hands out the most recently used":
            return max(free, key=lambda number: slots[number].eligible)
        if self.defect == "hands out any":
            return self.random.choice(free)
        return min(free, key=lambda number: slots[number].eligible)

    def release(self, pool, session, number, now):
        slot = self.slots[pool].get(number)
        if slot is None or self.numbers.get((pool, session)) != number or now >= slot.expires:
            return False
        if self.now_and_then("refuses releases", 0.2):
            return False
        slot.expires = now
        slot.eligible = now + self.pools[pool].cooldown
        return True

    def restart(self):
        """What a kill and a new start leave of memory: all of it, if it is right."""
        if self.defect != "forgets at restart":
            return
        for id, slots in self.slots.items():
            for number, slot in slots.items():
                if slot.session is not None and self.random.random() < 0.3:
                    self.numbers.pop((id, slot.session), None)
                    slots[number] = Slot()

    def batch(self, rows, now, wall):
        """The answers to rows as in the body of POST /numbers, as JSON objects."""
        answers = [self.answer(row, now, wall) for row in rows]
        if len(rows) > 1 and self.now_and_then("answers out of order", 0.2):
            i = self.random.randrange(len(rows) - 1)
            answers[i], answers[i + 1] = answers[i + 1], answers[i]
        return answers

    def answer(self, row, now, wall):
        rules = self.pools[row["pool"]]
        echo = {"request_id": row["request_id"]} if "request_id" in row else {}
        session = row.get("session")
        if session is None:
            session = json.dumps(row["context"], sort_keys=True)
        found = self.allocate(row["pool"], session, now)
        if found is None and not rules.overflow:
            return {**echo, "error_class": "PoolExhausted", "message": "(exhausted)"}
        if found is None:
            return {**echo, "number": rules.overflow, "formatted": formatted(rules.overflow),
                    "overflow": True, "reason": self.reason()}
        number, expires = found
        expires += wall - now
        if self.now_and_then("takes another pool's number"):
            number = min(self.random.choice(
                [r.numbers for id, r in self.pools.items() if id != row["pool"]]))
        if self.now_and_then("tells too short a time"):
            expires -= 2
        return {**echo, "number": number, "formatted": formatted(number),
                "expires_at": utc(expires)}

    def reason(self):
        return "store_unavailable" if self.now_and_then("blames the store") else "exhausted"


# Which rule each defect breaks; where there are two, the one breaks the other: a number that is
# somebody else's before its time is gone when its session asks again.
DEFECTS = {
    "takes another pool's number": {"answer"},
    "answers out of order": {"answer"},
    "tells too short a time": {"expiry"},
    "ignores max_hold": {"expiry"},
    "hands out what is held": {"uniqueness"},
    "ignores the cool-down": {"uniqueness"},
    "shortens the lifetime": {"uniqueness", "stickiness"},
    "forgets a session": {"stickiness"},
    "refuses releases": {"stickiness"},
    "forgets at restart": {"durability"},
    "overflows too early": {"exhaustion"},
    "blames the store": {"exhaustion"},
    "hands out the most recently used": {"lru"},
    "hands out any": {"lru"},
}


class Impostor:
    """Serves an allocator over HTTP, in threads of this process; kill() cuts all connections."""

    def __init__(self, allocator, port):
        self.allocator = allocator
        self.port = port
        self.lock = threading.Lock()
        self.life = 0  # which one it is; a request of an earlier one has no effect any more
        self.server = self.thread = None

    def start(self):
        impostor, life = self, self.life

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                impostor.connections.append(self.connection)

            def do_GET(self):
                query = self.query()
                row = {"pool": query.pop("pool"), "session": query.pop("session", None),
                       "context": query}
                query.pop("key")
                self.answer(lambda now, wall: (200, impostor.allocator.batch([row], now, wall)[0]))

            def do_POST(self):
                rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["requests"]
                self.answer(lambda now, wall: (
                    200, {"responses": impostor.allocator.batch(rows, now, wall)}))

            def do_DELETE(self):
                query = self.query()
                number = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path.split("/")[-1])
                self.answer(lambda now, wall: (
                    204 if impostor.allocator.release(query["pool"], query["session"], number, now)
                    else 404, None))

            def query(self):
                return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))

            def answer(self, act):
                with impostor.lock:
                    if impostor.life != life:
                        self.close_connection = True
                        return
                    status, answer = act(time.monotonic(), time.time())
                body = b"" if answer is None else json.dumps(answer).encode()
                length = b"" if status == 204 else b"Content-Length: %d\r\n" % len(body)
                self.wfile.write(b"HTTP/1.1 %d Yes\r\n%s\r\n%s" % (status, length, body))

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 64

            def handle_error(self, request, address):
                pass  # cut off by kill()

        self.connections = []
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def kill(self):
        with self.lock:
            self.life += 1
            self.allocator.restart()
        self.server.shutdown()
        self.thread.join()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already
        self.server.server_close()
