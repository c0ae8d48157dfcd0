"""A disk that is full, fails or is slow costs overflow answers for as long as it is so, and nothing
that was acknowledged."""

import threading
import unittest

import daemon
import faults
from daemon import OVERFLOW, Daemon, Pool, numbers, row
from faults import EIO, Faults

POOL = Pool("autos", "k", numbers(201) + numbers(202) + numbers(203), lifetime_seconds=86400)
SMALL_FILES = {"segment_bytes": 64 << 10, "snapshot_after_bytes": 256 << 10}


class Client:
    """Remembers what each of its sessions was told."""

    def __init__(self, test, d):
        self.test, self.daemon = test, d
        self.held = {}
        self.asked = 0

    def ask(self, session=None, size=10):
        """The answer to a session; to a new one by default."""
        session = session or "s%d" % len(self.held)
        self.asked += 1
        answer = self.daemon.batch([row(POOL, session, m=str(self.asked).rjust(size, "x"))])
        told = answer.json["responses"][0]
        if "overflow" in told:
            self.test.assertEqual((told["number"], told["reason"]), (OVERFLOW, "store_unavailable"))
        else:
            self.test.assertEqual(self.held.setdefault(session, told["number"]), told["number"])
        return told

    def expect_service(self):
        for _ in range(5):
            self.test.assertNotIn("overflow", self.ask())
        self.test.assertEqual(self.daemon.get("/readyz").status, 200)

    def ask_until_unavailable(self):
        for i in range(10_000):
            if "overflow" in self.ask("s%d" % (i % 100), 2000):
                break
        else:
            self.test.fail("all was answered")
        self.test.assertIn("overflow", self.ask(size=2000))
        self.test.assertEqual(self.daemon.get("/healthz").status, 200)

    def wait_for_service(self):
        daemon.wait_until(lambda: self.daemon.get("/readyz").status == 200, "service resumes")
        self.expect_service()

    def expect_all(self):
        for session in list(self.held):
            self.test.assertNotIn("overflow", self.ask(session))
        self.test.assertEqual(len(set(self.held.values())), len(self.held))


class Disk(unittest.TestCase):
    # Long enough for a busy machine: what is slow only because of that is no overflow.
    TIMEOUT_MS = 30_000

    def serve(self, store, **options):
        d = Daemon([POOL], {"store": {**SMALL_FILES, **store},
                            "server": {"request_timeout_ms": self.TIMEOUT_MS}}, **options)
        self.addCleanup(d.__exit__)
        d.start()
        return d, Client(self, d)

    def wait_for_log(self, d, text):
        # A thread of its own writes the log.
        daemon.wait_until(lambda: text in d.log(), "the log has " + text)


class FullDisk(Disk):
    @classmethod
    def setUpClass(cls):
        faults.own_mounts()

    def test_service_resumes_when_there_is_room(self):
        for fsync in ("everysec", "always"):
            disk = faults.tiny_disk(self, 2 << 20)
            d, client = self.serve({"data_dir": str(disk.path / "store"), "fsync": fsync})
            client.expect_service()
            ballast = disk.fill()
            client.ask_until_unavailable()
            ready = d.get("/readyz")
            self.assertEqual(ready.status, 503)
            self.assertIn(b"No space left on device", ready.body)
            self.wait_for_log(d, "No space left on device")
            ballast.unlink()
            client.wait_for_service()
            d.kill()
            d.start()
            client.expect_all()
            self.assertEqual(d.stop(), 0)

    # Room is set aside in the image, but the image itself has none: the kernel finds out when it
    # writes back what it had taken, which only fdatasync tells. With "always" that is so for files
    # that are being laid out, for those that are have been written to once.
    def test_error_that_only_fdatasync_tells(self):
        for fsync, told in (("everysec", "can't sync the journal: "), ("always", "can't lay out ")):
            outer = faults.tiny_disk(self, 10 << 20)
            inner = faults.image(self, outer.path, 64 << 20, "-O", "^has_journal")
            d, client = self.serve({"data_dir": str(inner.path / "store"), "fsync": fsync,
                                    "segment_bytes": 1 << 20})
            client.expect_service()
            ballast = outer.fill()
            if fsync == "always":
                client.ask_until_unavailable()
            else:
                daemon.wait_until(lambda: "overflow" in client.ask("known"), "it syncs")
            self.wait_for_log(d, told)
            self.assertEqual(d.get("/readyz").status, 503)
            ballast.unlink()
            client.wait_for_service()
            client.expect_all()
            # Taken down in good order, and read back from the image, not from the page cache.
            self.assertEqual(d.stop(), 0)
            inner.umount()
            inner.mount()
            d.start()
            client.expect_all()
            self.assertEqual(d.stop(), 0)


class BrokenDisk(Disk):
    def break_and_heal(self, fsync, told, **broken):
        disk = Faults(self)
        d, client = self.serve({"fsync": fsync}, environment=disk.environment)
        client.expect_service()
        disk.set(**broken)
        daemon.wait_until(lambda: "overflow" in client.ask(), "the error is found")
        self.assertEqual(d.get("/readyz").status, 503)
        self.wait_for_log(d, told)
        disk.heal()
        client.wait_for_service()
        client.expect_all()
        d.kill()
        d.start()
        client.expect_all()
        self.assertEqual(d.stop(), 0)

    def test_write_fails(self):
        for fsync in ("everysec", "always"):
            self.break_and_heal(fsync, "can't write to the journal: Input/output error",
                                write_errno=EIO)

    def test_sync_fails(self):
        for fsync in ("everysec", "always"):
            self.break_and_heal(fsync, "can't sync the journal: Input/output error",
                                sync_errno=EIO)

    def test_a_failed_sync_is_not_believed_when_the_next_succeeds(self):
        disk = Faults(self)
        d, client = self.serve({"fsync": "always"}, environment=disk.environment)
        client.expect_service()
        shard = d.directory / "data/store/shard-0"
        self.assertEqual(list(shard.glob("snapshot-*.dat")), [])
        disk.set(sync_errno=EIO)
        self.assertIn("overflow", client.ask())
        disk.heal()
        client.wait_for_service()
        self.assertNotEqual(list(shard.glob("snapshot-*.dat")), [])

    def test_writes_may_be_cut_in_pieces(self):
        disk = Faults(self)
        d, client = self.serve({}, environment=disk.environment)
        disk.set(write_at_most=7)
        client.expect_service()
        d.kill()
        d.start()
        client.expect_all()
        self.assertNotIn("torn tail", d.log())


class SlowDisk(Disk):
    # Longer than any test; ended by heal().
    FOR_EVER_MS = 3_600_000
    TIMEOUT_MS = 5_000

    def test_slow_sync_costs_overflow_answers(self):
        disk = Faults(self)
        d, client = self.serve({"fsync": "always"}, environment=disk.environment)
        self.addCleanup(disk.heal)
        client.expect_service()
        disk.set(sync_delay_ms=self.FOR_EVER_MS)
        answers = []
        clients = [threading.Thread(target=lambda i=i: answers.append(
            d.number(POOL, "slow-%d" % i).json)) for i in range(20)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        self.assertEqual([a.get("reason") for a in answers], ["store_unavailable"] * 20)
        self.assertGreater(disk.syncs_under_way, 0)
        self.assertEqual(d.get("/ping").status, 200)
        disk.heal()
        client.wait_for_service()
        client.expect_all()

    def test_slow_sync_holds_up_nobody_whom_it_does_not_concern(self):
        disk = Faults(self)
        d, client = self.serve({"fsync": "everysec"}, environment=disk.environment)
        self.addCleanup(disk.heal)
        client.expect_service()
        disk.set(sync_delay_ms=self.FOR_EVER_MS)
        daemon.wait_until(lambda: disk.syncs_under_way > 0, "it syncs")
        client.expect_service()
        # As far as segments are laid out; then there is nowhere to write to.
        client.ask_until_unavailable()
        disk.heal()
        client.wait_for_service()
        client.expect_all()

    def test_slow_writes_hang_nothing(self):
        disk = Faults(self)
        d, client = self.serve({"fsync": "everysec"}, environment=disk.environment)
        client.expect_service()
        disk.set(write_delay_ms=100)
        for _ in range(5):
            client.ask()
            self.assertEqual(d.get("/ping").status, 200)
        disk.heal()
        client.expect_service()


del Disk

if __name__ == "__main__":
    daemon.main()
