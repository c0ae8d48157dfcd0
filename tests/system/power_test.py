"""A power cut: with fsync = "always" nothing is lost that was answered. kill -9 can't tell whether
anything was synced, because the kernel keeps what a dead process has written."""

import pathlib
import shutil
import tempfile
import unittest

import daemon
import faults
from daemon import Daemon, Pool, numbers, row

POOL = Pool("autos", "k", numbers(201) + numbers(202) + numbers(203), lifetime_seconds=86400)


class PowerCut(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        faults.own_mounts()

    def kept_after_power_cut(self, fsync, rounds):
        """How many of the sessions that were told a number still have it, and how many there
        were."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix="ringmaster-test-"))
        self.addCleanup(shutil.rmtree, directory)
        disk = faults.image(self, directory, 32 << 20)
        d = Daemon([POOL], {"store": {"data_dir": str(disk.path / "store"), "fsync": fsync,
                                      "segment_bytes": 64 << 10,
                                      "snapshot_after_bytes": 128 << 10}})
        self.addCleanup(d.__exit__)
        d.start()
        held = {}
        for i in range(rounds):
            rows = [row(POOL, "s%d" % ((7 * i + j) % 250), m=str(i).rjust(500, "x"))
                    for j in range(5)]
            for asked, told in zip(rows, d.batch(rows).json["responses"]):
                self.assertEqual(held.setdefault(asked["session"], told["number"]),
                                 told["number"])
        faults.cut_power(disk.path)
        d.kill()
        disk.umount()
        disk.mount()
        d.start()
        self.assertNotIn("is damaged", d.log())
        kept = sum(d.number(POOL, session).json["number"] == number
                   for session, number in reversed(held.items()))
        d.kill()
        return kept, len(held)

    def test_always_keeps_all(self):
        # At one point after another, so that segments and snapshots are met at work.
        for rounds in (1, 40, 111):
            kept, told = self.kept_after_power_cut("always", rounds)
            self.assertEqual(kept, told)

    # Were anything kept here, the test above would say nothing.
    def test_never_loses_what_the_kernel_had_not_written(self):
        kept, told = self.kept_after_power_cut("never", 1)
        self.assertEqual(told, 5)
        self.assertLess(kept, told)


if __name__ == "__main__":
    daemon.main()
