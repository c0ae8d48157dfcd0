"""The status page in a real browser."""

import json
import signal
import unittest
import urllib.parse

from chromium import Browser, SCREENSHOTS, daemon
from daemon import Pool, numbers, wait_until
import fleet
from fleet import Fleet, TOKEN

POOLS = [Pool(fleet.pool_id(2, 0), "key-of-pool-0", numbers(201)),
         Pool(fleet.pool_id(2, 1), "key-of-pool-1", numbers(202, 20)),
         Pool(fleet.pool_id(2, 1, "-whose-id-is-as-long-as-ids-of-pools-may-be"), "key-of-pool-2", numbers(203, 4))]
POINTS = 8  # of each line, so that pictures have something to show


class StatusPage(unittest.TestCase):
    def setUp(self):
        self.d = Fleet(POOLS, sections=self.sections()).__enter__()
        self.addCleanup(self.d.__exit__)
        self.d.wait_until_serving()

    def sections(self):
        return {}

    def open(self, browser, shard=0, path="/status"):
        self.base = "127.0.0.1:%d" % self.d.at(shard).port
        browser.open("http://%s%s" % (self.base, path))

    def value(self, browser, selector):
        """A figure as it came, without what makes it nice to read."""
        text = browser.script("return document.querySelector(arguments[0]).dataset.value", selector)
        return float(text) if text else None

    def cells(self, browser, table, key):
        """{heading: text} of a row."""
        pairs = browser.script("""
            const table = document.getElementById(arguments[0]);
            const row = [...table.tBodies[0].rows].find(r => r.dataset.key === arguments[1]);
            const heads = [...table.tHead.rows[0].cells].map(cell => cell.textContent);
            return [...row.cells].map((cell, i) => [heads[i], cell.textContent]);
            """, table, key)
        return dict(pairs)

    def assert_unsuspicious(self, browser):
        self.assertEqual(browser.console(), [])
        self.assertEqual(browser.requested_hosts(), {self.base})

    def check_layout(self, browser, width):
        self.assertEqual(browser.script("return document.documentElement.clientWidth"), width)
        outside = browser.script("""
            return [...document.querySelectorAll('body *')].filter(element => {
                const box = element.getBoundingClientRect();
                return box.width > 0 && (box.left < 0 || box.right > innerWidth + 0.5)
                    && !element.closest('.hidden');
            }).map(element => element.outerHTML.slice(0, 120));""")
        self.assertEqual(outside, [])
        self.assertLessEqual(browser.script("return document.documentElement.scrollWidth"), width)

    def ask_for_numbers(self):
        """27 numbers of three pools, four of which the last pool has not."""
        for pool, count in ((POOLS[0], 12), (POOLS[1], 7), (POOLS[2], 8)):
            for i in range(count):
                self.assertEqual(self.d.at(i % 2).number(pool, "s%d" % i).status, 200)

    def total(self, name):
        return sum(value for key, value in self.d.at(0).metrics().items()
                   if key.startswith(name + "{"))


class Figures(StatusPage):
    def test_they_are_those_of_the_metrics_and_of_all_shards(self):
        with Browser() as browser:
            self.open(browser)
            browser.wait_until("document.getElementById('state').textContent === 'Serving'",
                               "the page has a snapshot")
            self.ask_for_numbers()
            browser.wait_until("document.getElementById('numbers_total').dataset.value === '23'",
                               "the page tells of all numbers")
            self.assertEqual(self.total("ringmaster_allocations_total"), 23)
            self.assertEqual(self.total("ringmaster_overflows_total"), 4)

            full = self.cells(browser, "pools", POOLS[2].id)
            self.assertEqual((full["Used"], full["Numbers"]), ("100 %", "4"))
            self.assertEqual(self.cells(browser, "pools", POOLS[0].id)["Used"], "12 %")
            self.assertEqual(self.cells(browser, "pools", POOLS[1].id)["Used"], "35 %")
            # What needs to be looked at comes first.
            self.assertEqual(browser.texts("#pools tbody td:first-child")[0], POOLS[2].id)
            widths = browser.script("""
                const stack = document.querySelector('#pools tbody tr .stack');
                return [stack.children[0].offsetWidth, stack.offsetWidth];""")
            self.assertEqual(widths[0], widths[1])

            for shard, pid in self.d.shard_pids().items():
                row = self.cells(browser, "shards", str(shard))
                self.assertEqual((row["State"], row["Process"], row["Restarts"]),
                                 ("up", str(pid), "0"))
                self.assertRegex(row["Memory"], r"^\d+(\.\d+)? MiB$")
            gate = self.cells(browser, "gates", "1/0")
            self.assertEqual((gate["From"], gate["To"], gate["State"], gate["Window"]),
                             ("shard 1", "shard 0", "healthy", "1,024"))
            self.assertEqual(self.value(browser, "#streams"), 1)
            self.assertGreaterEqual(self.value(browser, "#connections"), 1)
            self.assert_unsuspicious(browser)

    def test_a_shard_that_hangs_is_shown_as_down_and_its_gate_as_closed(self):
        with Browser() as browser:
            self.open(browser)
            browser.wait_until("document.querySelectorAll('#shards tbody tr').length === 2",
                               "there are shards")
            self.d.stop_shard(1)
            browser.wait_until("document.getElementById('state').textContent === 'A shard is down'",
                               "the page says that a shard is down")
            self.assertEqual(self.cells(browser, "shards", "1")["State"], "down")
            self.assertEqual(self.cells(browser, "shards", "0")["State"], "up")
            self.d.continue_shard(1)
            browser.wait_until("document.getElementById('state').textContent === 'Serving'",
                               "the page says that it is back")
            self.assertEqual(self.cells(browser, "shards", "1")["State"], "up")
            self.assert_unsuspicious(browser)

    def test_it_says_when_the_stream_breaks_and_goes_on_with_the_next_process(self):
        with Browser() as browser:
            self.open(browser, shard=1)
            state = "document.getElementById('state').textContent"
            browser.wait_until(state + " === 'Serving'", "there is a snapshot")
            browser.script("""
                window.states = [];
                new MutationObserver(() => states.push(document.getElementById('state').textContent))
                    .observe(document.getElementById('state'), {childList: true});""")
            old = self.d.kill_shard(1)
            wait_until(lambda: self.cells(browser, "shards", "1")["Process"] not in (str(old), "–"),
                       "the page tells of the next process")
            self.assertEqual(self.cells(browser, "shards", "1")["Restarts"], "1")
            browser.wait_until(state + " === 'Serving'", "all is well")
            self.assertIn("Connection lost, trying again", browser.script("return states"))
            self.assertEqual(browser.requested_hosts(), {self.base})


# Demand of days, of holds of 30 minutes; 84 erlangs in the busiest hour of "small".
ADVISED = {
    "small": (80, [168 if i == 40 else 40 for i in range(100)]),
    "large": (100, [50] * 100),
    "grows": (100, [95 + 6 * (i // 24) if i % 24 == 15 else 3 for i in range(24 * 7)]),
    "fits": (100, [168 if i == 40 else 40 for i in range(100)]),
    "fresh": (40, []),
}


class Advice(StatusPage):
    """How large pools should be."""

    def setUp(self):
        self.pools = [Pool(name, "k", numbers(301 + i, size), lifetime_seconds=1800)
                      for i, (name, (size, _)) in enumerate(ADVISED.items())]
        self.d = Fleet(self.pools, sections={"advice": {"sample_ms": 100}})
        self.addCleanup(self.d.__exit__)
        self.d.start()
        self.d.wait_until_serving()  # the store has the pools then
        self.assertEqual(self.d.stop(), 0)
        for pool in self.pools:
            if ADVISED[pool.id][1]:
                self.d.demand_file(pool).write_text(fleet.demand_text(ADVISED[pool.id][1]))
        self.d.start()
        self.d.wait_until_serving()

    def advice(self, browser):
        return dict(zip(browser.texts("#advice tbody td:first-child"),
                        browser.texts("#advice tbody td:last-child")))

    def test_it_tells_what_to_buy_and_what_can_go(self):
        with Browser() as browser:
            self.open(browser)
            wait_until(lambda: len(self.advice(browser)) == 4, "four of the pools are measured")
            self.assertEqual(browser.text("#advice_note"), "1 too small, 1 soon too small, "
                             "1 larger than needed, 1 fine, 1 not measured for long enough yet")
            told = self.advice(browser)
            # What is most urgent comes first.
            self.assertEqual(list(told), ["small", "grows", "large", "fits"])
            self.assertRegex(told.pop("grows"), r"^short in \d d$")
            self.assertEqual(told, {"small": "buy 20", "large": "55 can go", "fits": "fine"})
            row = self.cells(browser, "advice", "small")
            self.assertEqual([row[head] for head in ("Load", "Find none", "Numbers", "For 1 %",
                                                     "0.1 %")], ["84", "11.3 %", "80", "100", "110"])
            for device, width, height in (("desktop", 1280, 1100), ("phone", 360, 1900)):
                browser.resize(width, height)
                browser.screenshot("status-advice-%s.png" % device)
                self.check_layout(browser, width)

            # They are bought.
            (self.d.directory / "small.txt").write_text("\n".join(numbers(301, 100)) + "\n")
            self.d.process.send_signal(signal.SIGHUP)
            wait_until(lambda: self.advice(browser)["small"] == "fine", "that was enough")
            row = self.cells(browser, "advice", "small")
            self.assertEqual((row["Find none"], row["Numbers"]), ("0.99 %", "100"))
            self.assert_unsuspicious(browser)


class Looks(StatusPage):
    def pixels(self, browser, canvas):
        """How many colours there are that are not transparent, and how much is drawn."""
        return browser.script("""
            const shown = document.getElementById(arguments[0]);
            const copy = new OffscreenCanvas(shown.width, shown.height).getContext(
                '2d', {willReadFrequently: true});
            copy.drawImage(shown, 0, 0);
            const data = copy.getImageData(0, 0, shown.width, shown.height).data;
            const colours = new Set();
            let drawn = 0;
            for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3] < 255) continue;
                ++drawn;
                colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
            }
            return {colours: [...colours], drawn};""", canvas)

    def colour(self, browser, name):
        text = browser.script(
            "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])", name)
        digits = text.strip().lstrip("#")
        return int(digits if len(digits) == 6 else "".join(2 * c for c in digits), 16)

    def test_on_desktop_and_phone_by_day_and_by_night(self):
        rows = [daemon.row(pool, "v%d" % i) for pool in POOLS for i in range(6)]
        targets = [[rows[(i + j) % len(rows)] for j in range(5)] for i in range(len(rows))]
        clients = fleet.Clients(self.d.port, targets, lambda *_: None, count=3,
                                batch=lambda what: json.dumps({"requests": what}))
        with Browser() as browser, clients:
            self.open(browser)
            browser.wait_until("Number(document.getElementById('requests_per_s').dataset.value) > 0",
                               "there are rates")
            browser.wait_until("document.getElementById('rates').dataset.points >= %d" % POINTS,
                               "there is something to plot")
            for scheme in ("light", "dark"):
                browser.prefer(scheme)
                for device, width, height in (("desktop", 1280, 900), ("phone", 360, 1640)):
                    browser.resize(width, height)
                    name = "status-%s-%s.png" % (device, scheme)
                    with self.subTest(name):
                        self.check_plots(browser)
                        picture = browser.screenshot(name)
                        self.assertEqual(picture.read_bytes()[1:4], b"PNG")
                        self.check_layout(browser, width)
            self.assert_unsuspicious(browser)
        self.assertEqual(clients.failures, [])
        print("pictures are in", SCREENSHOTS)

    def check_plots(self, browser):
        for canvas, series in (("rates", ("--one", "--two")), ("latency", ("--one", "--three"))):
            wanted = {self.colour(browser, name) for name in series}
            wait_until(lambda: wanted <= set(self.pixels(browser, canvas)["colours"]),
                       "%s are plotted in their colours" % canvas)
            self.assertGreater(self.pixels(browser, canvas)["drawn"], 300)


class Access(StatusPage):
    def sections(self):
        return {"status": {"access": "admin", "max_watchers": 2}}

    def test_the_browser_shows_the_token_as_a_password_for_page_and_stream(self):
        self.assertEqual(self.d.get("/status").status, 401)
        self.assertEqual(self.d.get("/status/stream").status, 401)
        with Browser() as browser:
            self.base = "127.0.0.1:%d" % self.d.at(0).port
            browser.open("http://anybody:%s@%s/status" % (urllib.parse.quote(TOKEN), self.base))
            browser.wait_until("document.getElementById('state').textContent === 'Serving'",
                               "the stream is let in, too")
            self.assertEqual(browser.console(), [])


class Stream(StatusPage):
    def sections(self):
        return {"status": {"max_watchers": 2}}

    def watch(self, shard=0):
        """A stream's connection, and its answer, of which the head has been read."""
        connection = self.d.at(shard).connect()
        self.addCleanup(connection.close)
        connection.request("GET", "/status/stream")
        return connection, connection.getresponse()

    def event(self, answer):
        while True:
            line = answer.readline().decode()
            if line.startswith("data: "):
                return line[len("data: "):]

    def test_it_tells_no_secrets(self):
        given = [self.d.at(0).number(pool, "session-of-%s" % pool.id).json for pool in POOLS]
        told = self.event(self.watch()[1])
        self.assertIn(POOLS[0].id, told)
        for secret in [TOKEN, "session-of", daemon.OVERFLOW, *(pool.key for pool in POOLS),
                       *(one["number"] for one in given), *(one["formatted"] for one in given)]:
            self.assertNotIn(secret, told)

    def test_watchers_are_counted_and_bounded_by_each_shard(self):
        watching = [self.watch() for _ in range(2)]
        for _, answer in watching:
            self.assertEqual((answer.status, answer.headers["Content-Type"]),
                             (200, "text/event-stream"))
        self.assertEqual(self.watch()[1].status, 503)
        self.assertEqual(self.watch(shard=1)[1].status, 200)
        streams = 'ringmaster_open_streams{shard="%d",endpoint="status"}'
        self.assertEqual([self.d.at(0).metrics()[streams % i] for i in (0, 1)], [2, 1])
        # What the page is told, too.
        wait_until(lambda: json.loads(self.event(watching[0][1]))["streams"] == 3,
                   "the stream tells how many watch")
        watching[0][0].close()
        watching[0][1].close()
        wait_until(lambda: self.d.at(0).metrics()[streams % 0] == 1, "one has left")
        self.assertEqual(self.watch()[1].status, 200)

    def test_it_ends_with_the_daemon(self):
        _, answer = self.watch()
        self.event(answer)
        self.d.stop()
        while answer.readline():
            pass
        self.assertNotIn("cut off", self.d.log())
        self.assertEqual(self.d.process.returncode, 0)


if __name__ == "__main__":
    daemon.main()
