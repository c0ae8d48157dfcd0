"""Little memory, and few files that may be open."""

import contextlib
import pathlib
import threading
import unittest

import daemon
from daemon import BINARY, Daemon, Pool, ask, numbers, numbers_target, row

POOL = Pool("autos", "k", numbers(201) + numbers(202), lifetime_seconds=86400)


class Descriptors(unittest.TestCase):
    def test_64_for_500_connections(self):
        d = Daemon([POOL], {"store": {"segment_bytes": 64 << 10, "snapshot_after_bytes": 128 << 10},
                            "server": {"idle_timeout_ms": 30000}}, descriptors=64)
        self.addCleanup(d.__exit__)
        d.start()
        held, failures, lock = {}, [], threading.Lock()

        def client(i):
            """A few requests over one connection, which waits for others to make room for it."""
            try:
                connection = d.connect()
                for n in range(4):
                    session = "s%d" % ((i + n) % 150)
                    answer = ask(connection, "GET", numbers_target(POOL, session, m="x" * 900 +
                                                                   str(i % 7)))
                    with lock:
                        number = held.setdefault(session, answer.json["number"])
                    if number != answer.json["number"] or "overflow" in answer.json:
                        raise AssertionError("%s: %s, %s" % (session, number, answer.json))
                connection.close()
            except Exception as error:
                failures.append(error)

        clients = [threading.Thread(target=client, args=(i,)) for i in range(500)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        self.assertEqual(failures, [])
        shard = d.directory / "data/store/shard-0"
        daemon.wait_until(lambda: list(shard.glob("snapshot-*.dat")), "a snapshot is taken")
        self.assertGreater(len(list(shard.glob("journal-*.log"))), 10)
        self.assertNotIn("error", d.log())
        d.kill()
        d.start()
        for session, number in held.items():
            self.assertEqual(d.number(POOL, session).json["number"], number)


# It reserves terabytes of addresses.
@unittest.skipIf(b"__asan_init" in pathlib.Path(BINARY).read_bytes(),
                 "AddressSanitizer does not live with a limit of memory")
class Memory(unittest.TestCase):
    BODY = b"POST /numbers HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n" + b" " * 4_000_000

    def needed(self):
        """Bytes of address space that a daemon takes that has nothing to do."""
        with Daemon([POOL]) as d:
            return daemon.status_of(d.shard_pids()[0], "VmSize") * 1024

    def test_too_little_to_start(self):
        needed = self.needed()
        for memory in (needed // 4, needed // 3):
            d = Daemon([POOL], memory=memory)
            self.addCleanup(d.__exit__)
            d.start(wait=False)
            self.assertEqual(d.wait(), 1)
            self.assertRegex(d.log(), "error shard 0: (reserving address space for fiber stacks|"
                                      "starting the thread '.*'): ")

    def test_too_little_for_large_bodies(self):
        d = Daemon([POOL], memory=self.needed() + (64 << 20))
        self.addCleanup(d.__exit__)
        d.start()
        rows = [row(POOL, "s%d" % i) for i in range(100)]
        held = [r["number"] for r in d.batch(rows).json["responses"]]
        for _ in range(40):
            connection = d.socket()
            self.addCleanup(connection.close)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(self.BODY)
        daemon.wait_until(lambda: "std::bad_alloc" in d.log(), "there is no more memory")

        def ask_again():
            """Those who ask get what is theirs, or no answer."""
            with contextlib.suppress(ConnectionResetError, daemon.http.client.HTTPException):
                answer = d.batch(rows)
                if answer.status == 200:
                    self.assertEqual([r["number"] for r in answer.json["responses"]], held)
                    return True
            return False
        daemon.wait_until(ask_again, "there is memory for this one")
        d.kill()
        d.limits.clear()
        d.start()
        self.assertTrue(ask_again())


if __name__ == "__main__":
    daemon.main()
