"""What was handed out stays handed out, whoever stops the daemon and however."""

import signal
import unittest

import daemon
from daemon import Daemon, Pool, numbers, row


class Restart(unittest.TestCase):
    def test_keeps_numbers_and_releases(self):
        pool = Pool("autos", "k", numbers(201, 3), cooldown_seconds=3600)
        with Daemon([pool]) as d:
            held = {s: d.number(pool, s).json["number"] for s in ("a", "b")}
            given_back = d.number(pool, "c").json["number"]
            released = d.request("DELETE", "/numbers/%s?pool=autos&key=k&session=c" %
                                 given_back.replace("+", "%2B"))
            self.assertIn(released.status, (200, 204))
            self.assertEqual(d.stop(), 0)

            d.start()
            for session, number in held.items():
                self.assertEqual(d.number(pool, session).json["number"], number)
            # Nobody else gets it while it cools down.
            self.assertEqual(d.number(pool, "d").json.get("reason"), "exhausted")

    def test_keeps_numbers_through_changes_of_the_configuration(self):
        pool = Pool("autos", "k", numbers(201, 4))
        with Daemon([pool]) as d:
            held = {s: d.number(pool, s).json["number"] for s in "abc"}
            d.stop()
            # The numbers in another order, less one that nobody has, and another pool in front.
            kept = [n for n in reversed(pool.numbers) if n in held.values()]
            changed = Pool("autos", "other key", kept)
            d.write_config([Pool("boats", "b", numbers(202, 2)), changed], {})
            d.start()
            for session, number in held.items():
                self.assertEqual(d.number(changed, session).json["number"], number)
            self.assertEqual(d.number(changed, "d").json.get("reason"), "exhausted")

    def test_refuses_data_that_another_daemon_has(self):
        pool = Pool("autos", "k", numbers(201, 3))
        with Daemon([pool]) as d:
            second = daemon.command("serve", "--config", d.config)
            self.assertEqual(second.returncode, 1)
            self.assertIn(str(d.directory / "data/store"), second.stderr)
            self.assertEqual(d.get("/ping").status, 200)

    def test_address_in_use(self):
        pool = Pool("autos", "k", numbers(201, 3))
        with Daemon([pool]) as first:
            second = Daemon([pool], {"server": {"listen": "127.0.0.1:%d" % first.port}})
            self.addCleanup(second.__exit__)
            second.start(wait=False)
            self.assertEqual(second.wait(), 1)
            self.assertIn("can't listen on 127.0.0.1:%d" % first.port, second.log())
            self.assertIn("Address already in use", second.log())

    def test_numbers_outlive_a_kill(self):
        pool = Pool("autos", "k", numbers(201))
        with Daemon([pool]) as d:
            rows = [row(pool, "s%d" % i, m=i) for i in range(40)]
            before = d.batch(rows).json["responses"]
            d.kill()
            self.assertEqual(d.wait(), -signal.SIGKILL)
            d.start()
            after = d.batch(rows).json["responses"]
            self.assertEqual([r["number"] for r in after], [r["number"] for r in before])


if __name__ == "__main__":
    daemon.main()
