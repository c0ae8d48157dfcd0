"""The status page in a real browser."""

import unittest

from chromium import Browser, daemon
from daemon import Daemon, Pool, numbers

AUTOS = Pool("autos", "k-autos", numbers(201))


class StatusPage(unittest.TestCase):
    def test_the_daemon_answers_a_browser(self):
        with Daemon([AUTOS]) as d, Browser() as browser:
            browser.open("http://127.0.0.1:%d/ping" % d.port)
            self.assertEqual(browser.text("body"), "pong")
            self.assertEqual(browser.requested_hosts(), {"127.0.0.1:%d" % d.port})


if __name__ == "__main__":
    daemon.main()
