"""embed.js on pages of other sites, in a real browser, against the real daemon."""

import unittest
from urllib.parse import parse_qsl, urlsplit

from chromium import Browser, daemon
from daemon import Daemon, Pool, numbers, wait_until
from ports import free_ports
from sites import Between, Site, embed

TOKEN = "embed-test-token"
ADMIN = {"Authorization": "Bearer " + TOKEN}
OWN = "800-555-0177"  # the number that is written on the pages
SHOWN = "window.ringmaster && ringmaster.number"

AUTOS = Pool("autos", "k-autos", numbers(201))
BOATS = Pool("boats", "k-boats", numbers(202))

# Makes the minutes that the script waits for something bearable. To be put in front of it.
HURRY = """<script>
    const patient = window.setTimeout;
    window.setTimeout = (step, ms) => patient(step, ms / 20);
</script>"""

# Makes that more than a test takes, and tells which of it is still to come and how many streams the
# page has begun.
PATIENCE = """<script>
    const hasty = window.setTimeout, clear = window.clearTimeout, Stream = window.EventSource;
    const pending = new Set();
    let streams = 0;
    window.setTimeout = (step, ms) => {
        const timer = hasty(() => { pending.delete(timer); step(); }, ms * 20);
        pending.add(timer);
        return timer;
    };
    window.clearTimeout = (timer) => { pending.delete(timer); clear(timer); };
    window.EventSource = class extends Stream { constructor(url) { super(url); ++streams; } };
</script>"""

# Every text that the element with the id "n" has ever had.
RECORD = """<script>
    const seen = new Set([document.getElementById("n").textContent]);
    new MutationObserver(() => seen.add(document.getElementById("n").textContent))
        .observe(document.getElementById("n"),
                 {subtree: true, childList: true, characterData: true});
</script>"""


def spoken(e164):
    """+12015550100 as answers and pages write it."""
    return "%s-%s-%s" % (e164[2:5], e164[5:8], e164[8:])


class EmbedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.__exit__)
        cls.site.__enter__()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.__exit__)

    def setUp(self):
        """Each test has a visitor whom nobody knows, and no other tab than his."""
        driver = self.browser.driver
        old = driver.window_handles
        driver.switch_to.new_window("tab")
        self.tab = driver.current_window_handle
        for handle in old:
            driver.switch_to.window(handle)
            driver.close()
        driver.switch_to.window(self.tab)
        self.site.pages.clear()
        self.host = self.id().rpartition(".")[2].replace("_", "-") + ".test"
        self.browser.console().clear()
        self.browser.requested().clear()

    def tearDown(self):
        self.browser.open("about:blank")

    def daemon(self, pools=(AUTOS, BOATS)):
        return Daemon(pools, self.sections("127.0.0.1:%d" % free_ports()))

    def sections(self, listen):
        # The shard's own port is the next one, which is free where nobody else is.
        return {"server": {"listen": listen, "shard_listen": "127.0.0.2:0"}, "cors": {"origins": ["*"]},
                "admin": {"token": TOKEN}, "streams": {"retry_ms": 100}}

    def start_again(self, d, pools=(AUTOS, BOATS)):
        """Where it was, since its pages come back to that."""
        d.write_config(pools, self.sections("127.0.0.1:%d" % d.port))
        d.start()

    def open(self, path, host=None):
        self.browser.open(self.site.url(path, host or self.host))

    def open_tab(self, path, host=None):
        self.browser.driver.switch_to.new_window("tab")
        self.open(path, host)
        return self.browser.driver.current_window_handle

    def number(self):
        """The row that the page has got. Waits for one."""
        self.browser.wait_until(SHOWN, "the page has a number")
        return self.browser.script("return ringmaster.number")

    def streams(self):
        """The URLs of those that pages have asked for."""
        return [url for url in self.browser.requested() if "/numbers/stream?" in url]

    def wait_for_text(self, selector, text):
        self.browser.wait_until("document.querySelector(arguments[0]).textContent === arguments[1]",
                                "%s is %s" % (selector, text), selector, text)

    def holder(self, d, e164):
        answer = d.get("/numbers/" + e164, **ADMIN)
        return answer.json if answer.status == 200 else None

    def assert_quiet(self):
        self.assertEqual(self.browser.console(), [])


class WhatIsShown(EmbedTest):
    def test_the_example_of_the_readme(self):
        text = (daemon.SOURCE / "README.md").read_text().partition("## On a web page\n\n")[2]
        example = text.partition("\n\n")[0]
        self.assertIn("<script async src=\"http://127.0.0.1:8080/embed.js\"", example)
        pool = Pool("autos", "A329F4DC", numbers(201))
        with Daemon([pool], {"cors": {"origins": [self.site.url("", self.host)]}}) as d:
            self.site.page("/", example.replace(":8080", ":%d" % d.port))
            self.open("/")
            row = self.number()
            self.assertEqual(self.browser.text("p"), "Call %s!" % row["formatted"])
            self.assertEqual(self.browser.script("return document.querySelector('a').href"),
                             "tel:" + row["number"])
            self.assert_quiet()

    def test_every_way_to_write_the_number_is_replaced(self):
        ways = ["800-555-0177", "(800) 555-0177", "800.555.0177", "800 555 0177", "8005550177",
                "1-800-555-0177", "+1 800 555 0177", "+1 (800) 555-0177", "+18005550177",
                "800\u00a0555\u00a00177", "800\u2013555\u20130177", "1 800/555-0177"]
        links = ["tel:800-555-0177", "tel:+18005550177", "tel:8005550177", "TEL:1-800-555-0177",
                 "tel:(800)%20555-0177"]
        body = "".join("<p class=way>Call %s now!</p>" % way for way in ways)
        body += "".join("<a class=link href='%s'>Call</a>" % link for link in links)
        body += "<p id=twice>800-555-0177 or (800-555-0177), 800-555-0166.</p>"
        with self.daemon() as d:
            self.site.page("/", body + embed(d.port, AUTOS,
                                             replace=" (800) 555-0177 , +18005550166"))
            self.open("/")
            row = self.number()
            self.assertIn(row["number"], AUTOS.numbers)
            self.assertEqual(row["formatted"], spoken(row["number"]))
            for text in self.browser.texts(".way"):
                self.assertEqual(text, "Call %s now!" % row["formatted"])
            hrefs = self.browser.script(
                "return [...document.querySelectorAll('.link')].map(e => e.getAttribute('href'))")
            self.assertEqual(hrefs, ["tel:" + row["number"]] * len(links))
            self.assertEqual(self.browser.text("#twice"), "{0} or ({0}), {0}.".format(
                row["formatted"]))
            self.assert_quiet()

    def test_marked_elements_have_the_number_whatever_they_had_before(self):
        with self.daemon() as d:
            self.site.page("/", """
                <b id=empty data-ringmaster></b>
                <b id=words data-ringmaster>ask for our number</b>
                <a id=link data-ringmaster href="tel:911">911</a>
                <a id=around href="tel:911"><i data-ringmaster=autos>911</i></a>
                <a id=plain href="/contact" data-ringmaster>contact</a>
                <b id=rich data-ringmaster><svg><title>Call</title></svg> <u>555</u>-<i>0177</i></b>
                <b id=other data-ringmaster=trucks>555-0177</b>
                """ + embed(d.port, AUTOS))
            self.open("/")
            row = self.number()
            for marked in ("empty", "words", "link", "around", "plain"):
                self.assertEqual(self.browser.text("#" + marked), row["formatted"], marked)
            for link in ("link", "around"):
                self.assertEqual(self.browser.script(
                    "return document.getElementById(arguments[0]).getAttribute('href')", link),
                    "tel:" + row["number"])
            self.assertEqual(self.browser.script(
                "return document.getElementById('plain').getAttribute('href')"), "/contact")
            self.assertEqual(
                self.browser.script("return document.getElementById('rich').innerHTML"),
                "<svg><title>Call</title></svg> <u>%s</u><i></i>" % row["formatted"])
            self.assertEqual(self.browser.text("#other"), "555-0177")
            self.assert_quiet()

    def test_what_is_not_the_number_or_not_for_reading_stays(self):
        body = """
            <p>1800-555-01771</p><p>+44 800 555 0177</p><p>800-555-0177-22</p><p>800-555-0178</p>
            <p contenteditable>800-555-0177 <i>800-555-0177</i></p>
            <p data-ringmaster=trucks>800-555-0177</p>
            <style>/* 800-555-0177 */</style><script type=text/plain>800-555-0177</script>
            <textarea>800-555-0177</textarea><input value=800-555-0177>
            <select><option>800-555-0177</option></select>
            <a href="tel:800-555-0177,22">x</a><a href="tel:+44%20800%20555%200177">x</a>
            <a href="https://example.com/8005550177">x</a>"""
        with self.daemon() as d:
            self.site.page("/", "<div id=kept>" + body + "</div><b id=n>" + OWN + "</b>" +
                           embed(d.port, AUTOS, replace=OWN))
            self.open("/")
            row = self.number()
            self.assertEqual(self.browser.text("#n"), row["formatted"])
            kept = self.browser.script("""
                const fresh = document.createElement("div");
                fresh.innerHTML = arguments[0];
                return [fresh.innerHTML, document.getElementById("kept").innerHTML];""", body)
            self.assertEqual(kept[0], kept[1])
            self.assertEqual(self.browser.script(
                "return document.querySelector('input').value + document.title"), OWN + "page")

    def test_what_the_page_adds_or_changes_later_is_replaced_too(self):
        with self.daemon() as d:
            self.site.page("/", "<p id=n></p>" + embed(d.port, AUTOS, replace=OWN))
            self.open("/")
            row = self.number()
            self.browser.script("""
                const p = document.getElementById("n");
                const added = document.createElement("div");
                added.id = "added";
                added.innerHTML =
                    "<a href='tel:8005550177'>(800) 555-0177</a><b data-ringmaster></b>";
                document.body.append(added);
                p.textContent = "800-555-0177";""")
            self.wait_for_text("#n", row["formatted"])
            self.wait_for_text("#added", row["formatted"] * 2)
            self.browser.wait_until("document.querySelector('#added a').href === arguments[0]",
                                    "the link is the number's", "tel:" + row["number"])
            # One after the other: the text of a node, a link, a mark, and a mark's text.
            self.browser.script("document.getElementById('n').firstChild.data = 'T: 800.555.0177'")
            self.wait_for_text("#n", "T: " + row["formatted"])
            self.browser.script("document.querySelector('#added a').href = 'tel:800-555-0177'")
            self.browser.wait_until("document.querySelector('#added a').href === arguments[0]",
                                    "the link is the number's again", "tel:" + row["number"])
            self.browser.script("document.getElementById('n').setAttribute('data-ringmaster', '')")
            self.wait_for_text("#n", row["formatted"])
            self.browser.script("document.querySelector('#added b').textContent = 'call us'")
            self.wait_for_text("#added b", row["formatted"])
            # Many at once.
            self.browser.script("""
                for (let i = 0; i < 3000; ++i) {
                    const one = document.createElement("p");
                    one.className = "many";
                    one.textContent = "800-555-0177";
                    document.body.append(one);
                }""")
            self.browser.wait_until("[...document.querySelectorAll('.many')]"
                                    ".every(e => e.textContent === arguments[0])",
                                    "all of many are replaced", row["formatted"])
            self.assert_quiet()

    def test_a_script_that_undoes_it_all_does_not_hang_the_page(self):
        with self.daemon() as d:
            self.site.page("/", "<p id=n>" + OWN + """</p><script>
                let undone = 0;
                new MutationObserver(() => {
                    const text = document.getElementById("n").firstChild;
                    if (text.data === "800-555-0177") return;
                    ++undone;
                    text.data = "800-555-0177";
                }).observe(document.getElementById("n"), {subtree: true, characterData: true});
                </script>""" + embed(d.port, AUTOS, replace=OWN))
            self.open("/")
            self.number()
            # It goes on, and the page takes part: a turn of it comes between two of theirs.
            self.browser.wait_until("undone > 3", "the two scripts have taken turns")
            self.assert_quiet()

    def test_its_own_changes_are_not_looked_at_again(self):
        with self.daemon() as d:
            self.site.page("/", "<p id=n>" + OWN + """</p><script>
                let frames = 0;
                const request = window.requestAnimationFrame;
                window.requestAnimationFrame = (step) => { ++frames; return request(step); };
                </script>""" + embed(d.port, AUTOS, replace=OWN))
            self.open("/")
            row = self.number()
            asked = self.browser.script("return frames")
            self.browser.script("document.body.append('800-555-0177')")
            self.browser.wait_until("document.body.lastChild.data === arguments[0]",
                                    "what was added is replaced", row["formatted"])
            frames = self.browser.driver.execute_async_script("""
                const done = arguments[0];
                requestAnimationFrame(() => requestAnimationFrame(() => done(frames)));""")
            self.assertEqual(frames - 2, asked + 1)

    def test_two_pools_on_a_page(self):
        with self.daemon() as d:
            self.site.page("/", """
                <p id=first data-ringmaster>x</p><p id=second data-ringmaster=boats>x</p>
                <p id=text>800-555-0177 and 800-555-0166</p>""" +
                embed(d.port, AUTOS, replace=OWN) + embed(d.port, BOATS, replace="800-555-0166"))
            self.open("/")
            self.browser.wait_until("ringmaster.numbers.autos && ringmaster.numbers.boats",
                                    "there are both numbers")
            autos, boats = self.browser.script(
                "return [ringmaster.numbers.autos, ringmaster.numbers.boats]")
            self.assertIn(autos["number"], AUTOS.numbers)
            self.assertIn(boats["number"], BOATS.numbers)
            self.assertEqual(self.browser.text("#first"), autos["formatted"])
            self.assertEqual(self.browser.text("#second"), boats["formatted"])
            self.assertEqual(self.browser.text("#text"),
                             "%s and %s" % (autos["formatted"], boats["formatted"]))
            self.assertEqual(self.browser.script("return ringmaster.number"), autos)
            self.assert_quiet()

    def test_the_page_is_told_in_an_event(self):
        with self.daemon() as d:
            self.site.page("/", "<p id=n>" + OWN + """</p><script>
                const told = [];
                document.addEventListener("ringmaster:number", (event) => {
                    told.push([event.detail, document.getElementById("n").textContent]);
                });</script>""" + embed(d.port, AUTOS, replace=OWN))
            self.open("/")
            row = self.number()
            self.assertEqual(set(row), {"pool", "number", "formatted", "expires_at"})
            self.assertEqual(self.browser.script("return told"), [[row, row["formatted"]]])

    def test_a_page_with_a_strict_content_security_policy(self):
        with self.daemon() as d:
            origin = "http://numbers.test:%d" % d.port
            self.site.page("/", "<a id=n href='tel:8005550177'>" + OWN + "</a>" +
                           embed(d.port, AUTOS, replace=OWN),
                           {"Content-Security-Policy": "default-src 'none'; script-src %s; "
                            "connect-src %s; require-trusted-types-for 'script'; "
                            "trusted-types 'none'" % (origin, origin)})
            self.open("/")
            row = self.number()
            self.assertEqual(self.browser.text("#n"), row["formatted"])
            self.assert_quiet()

    def test_a_script_that_lacks_something_says_so_once_and_does_nothing(self):
        with self.daemon() as d:
            script = embed(d.port, Pool("autos", "", []), replace=OWN)
            self.site.page("/", "<p id=n>" + OWN + "</p>" + script + """<script>
                addEventListener("load", () => { window.loaded = true; });</script>""")
            self.open("/")
            self.browser.wait_until("window.loaded", "all is loaded")
            self.assertEqual(self.browser.text("#n"), OWN)
            (complaint,) = self.browser.console()
            self.assertIn("data-key", complaint)


class WhoIsAsked(EmbedTest):
    def page(self, d, path="/", **attributes):
        self.site.page(path, "<p id=n>" + OWN + "</p>" +
                       embed(d.port, AUTOS, replace=OWN, **attributes))

    def test_a_visitor_has_one_number_and_another_visitor_another(self):
        with self.daemon() as d:
            self.page(d)
            self.page(d, "/next")
            self.open("/")
            first = self.number()["number"]
            session = self.browser.script("return ringmaster.session")
            self.assertRegex(session, "^[0-9a-f]{32}$")
            self.assertEqual(self.holder(d, first)["session"], session)
            self.browser.driver.refresh()
            self.assertEqual(self.number()["number"], first)
            self.open("/next")
            self.assertEqual(self.number()["number"], first)
            self.open_tab("/")
            self.assertEqual(self.number()["number"], first)
            self.browser.open("about:blank")
            self.open("/", host="somebody-else.test")  # what he keeps is another browser's to us
            self.assertNotEqual(self.number()["number"], first)
            self.assert_quiet()

    def test_where_storage_is_forbidden_a_cookie_does_and_else_the_page_itself(self):
        forbid = """<script>Object.defineProperty(window, "%s", {
            get() { throw new DOMException("no", "SecurityError"); }});</script>"""
        with self.daemon() as d:
            script = embed(d.port, AUTOS) + embed(d.port, BOATS)
            self.site.page("/cookie", forbid % "localStorage" + forbid % "sessionStorage" + script)
            self.open("/cookie?utm_source=x")
            first = self.number()["number"]
            self.browser.driver.refresh()
            self.assertEqual(self.number()["number"], first)
            self.assertIn("ringmaster-session=", self.browser.script("return document.cookie"))

            self.site.page("/nothing", forbid % "localStorage" + """<script>
                Object.defineProperty(document, "cookie", {get: () => "", set() {}});
                </script>""" + script)
            self.open("/nothing")
            self.browser.wait_until("ringmaster.numbers.autos && ringmaster.numbers.boats",
                                    "there are both numbers")
            rows = self.browser.script("return Object.values(ringmaster.numbers)")
            self.assertNotEqual(rows[0]["number"], first)
            sessions = {self.holder(d, row["number"])["session"] for row in rows}
            self.assertEqual(sessions, {self.browser.script("return ringmaster.session")})
            self.assert_quiet()

    def test_the_page_may_say_who_the_visitor_is(self):
        with self.daemon() as d:
            self.page(d, session="user 81")
            self.open("/")
            self.assertEqual(self.holder(d, self.number()["number"])["session"], "user 81")

    def test_what_brought_him_is_known_for_the_visit(self):
        with self.daemon() as d:
            self.page(d, param_page="home & garden", param_store="Zürich")
            own = {"page": "home & garden", "store": "Zürich"}
            self.open("/?utm_source=google&utm_term=red+cars&gclid=Cj0K&secret=1&utm_source=twice")
            number = self.number()["number"]
            landing = {"utm_source": "google", "utm_term": "red cars", "gclid": "Cj0K"}
            self.assertEqual(self.holder(d, number)["context"], {**own, **landing})


            def next_page(query, context):
                self.browser.requested().clear()
                self.open("/" + query)
                self.assertEqual(self.number()["number"], number)
                (stream,) = self.streams()
                self.assertEqual(dict(parse_qsl(urlsplit(stream).query, True)), {
                    "pool": "autos", "key": "k-autos",
                    "session": self.browser.script("return ringmaster.session"), **own, **context})
            next_page("", landing)
            first_tab = self.browser.driver.current_window_handle
            self.browser.driver.switch_to.new_window("tab")
            next_page("?q=1", landing)
            next_page("?fbclid=f&utm_campaign=", {"fbclid": "f", "utm_campaign": ""})
            self.browser.driver.switch_to.window(first_tab)
            next_page("", landing)
            self.assert_quiet()

    def test_what_the_server_would_refuse_is_left_out(self):
        with self.daemon() as d:
            many = {"param_p%d" % i: "x" for i in range(40)}
            self.page(d, param_long="y" * 2049, param_most="z" * 2048,
                      **{"param_" + "n" * 65: "x"}, **many)
            self.open("/?utm_source=google")
            context = self.holder(d, self.number()["number"])["context"]
            self.assertEqual(context, {"most": "z" * 2048, **{"p%d" % i: "x" for i in range(31)}})

            # Together they may be no longer than a request.
            self.page(d, "/wide", **{"param_w%d" % i: "é" * 1000 for i in range(8)},
                      param_last="small")
            self.open("/wide", host="wide.test")
            context = self.holder(d, self.number()["number"])["context"]
            self.assertEqual(context, {"w0": "é" * 1000, "last": "small"})
            self.assert_quiet()

    def test_nothing_else_is_sent(self):
        with self.daemon() as d, Between(d.port) as between:
            self.site.page("/", embed(between.port, AUTOS))
            self.open("/?utm_source=google&q=private#private")
            self.number()
            (target,) = self.streams()
            session = self.browser.script("return ringmaster.session")
            self.assertEqual(target, "http://numbers.test:%d/numbers/stream?pool=autos&key=k-autos"
                             "&session=%s&utm_source=google" % (between.port, session))
            self.assertEqual(between.asked, {"/embed.js": 1, "/numbers/stream": 1})


class WhatChanges(EmbedTest):
    QUICK = Pool("quick", "k-quick", numbers(203, 5), lifetime_seconds=4)
    SINGLE = Pool("single", "k-single", numbers(204, 1), lifetime_seconds=15, allow_overflow=False)

    BODY = ("<p id=n>800-555-0177</p><a id=a href='tel:800-555-0177'>Call</a>"
            "<b id=m data-ringmaster><i>call</i> us</b>")

    def shown(self):
        return self.browser.script("""return [document.getElementById("n").textContent,
            document.getElementById("a").getAttribute("href"),
            document.getElementById("m").innerHTML];""")

    def shown_for(self, row):
        return [row["formatted"], "tel:" + row["number"], "<i>%s</i>" % row["formatted"]]

    def test_a_number_that_is_taken_out_is_replaced_by_another(self):
        with self.daemon([self.QUICK]) as d:
            self.site.page("/", self.BODY + embed(d.port, self.QUICK, replace=OWN))
            self.open("/")
            first = self.number()
            self.assertEqual(self.shown(), self.shown_for(first))
            # Away from the document, it is replaced when it comes back.
            self.browser.script("window.away = document.getElementById('n'); away.remove()")
            self.assertEqual(d.request("DELETE", "/pools/quick/numbers/" + first["number"],
                                       headers=ADMIN).status, 200)
            self.browser.wait_until("ringmaster.number.number !== arguments[0]",
                                    "it has another number", first["number"])
            second = self.browser.script("document.body.append(away); return ringmaster.number")
            self.wait_for_text("#n", second["formatted"])
            self.assertEqual(self.shown(), self.shown_for(second))
            self.assert_quiet()

    def test_without_a_number_the_page_has_its_own(self):
        with self.daemon([self.SINGLE]) as d:
            self.site.page("/", self.BODY + """<script>
                const told = [];
                for (const name of ["number", "unavailable"]) {
                    document.addEventListener("ringmaster:" + name, ({detail}) => {
                        told.push(detail.number || detail.error_class);
                    });
                }</script>""" + HURRY + embed(d.port, self.SINGLE, replace=OWN))
            own = [OWN, "tel:" + OWN, "<i>call</i> us"]
            taken = d.number(self.SINGLE, "somebody else").json["number"]
            self.open("/")
            self.browser.wait_until("told.length > 0", "the page is told")
            self.assertEqual(self.browser.script("return told[0]"), "PoolExhausted")
            self.assertEqual(self.shown(), own)
            self.assertEqual(d.request("DELETE", "/numbers/%s?pool=single&key=k-single&session="
                                       "somebody%%20else" % taken).status, 204)
            row = self.number()
            self.assertEqual(row["number"], taken)
            self.assertEqual(self.shown(), self.shown_for(row))
            self.assertEqual(d.request("DELETE", "/pools/single", headers=ADMIN).status, 204)
            self.browser.wait_until("!ringmaster.number", "the number is gone with its pool")
            self.assertEqual(self.shown(), own)
            self.assertEqual(self.browser.script("return told[told.length - 1]"), "InvalidKey")

    def test_a_killed_daemon_keeps_the_visitors_number(self):
        with self.daemon() as d:
            self.site.page("/", "<p id=n>" + OWN + "</p>" + RECORD + PATIENCE +
                           embed(d.port, AUTOS, replace=OWN))
            self.open("/")
            row = self.number()
            for _ in range(2):
                before = self.holder(d, row["number"])["last_touch"]
                d.kill()
                self.start_again(d)
                wait_until(lambda: self.holder(d, row["number"])["last_touch"] > before,
                           "the page has asked again")
            self.browser.wait_until("pending.size === 0", "it is content with its stream")
            self.assertEqual(self.browser.script("return streams"), 1)
            self.assertEqual(self.browser.script("return [...seen]"), [OWN, row["formatted"]])
            self.assertEqual(self.number()["number"], row["number"])

    def test_a_number_whose_time_is_over_is_not_shown_any_more(self):
        with self.daemon([self.QUICK]) as d:
            self.site.page("/", self.BODY + HURRY + embed(d.port, self.QUICK, replace=OWN))
            self.open("/")
            row = self.number()
            self.assertEqual(self.shown(), self.shown_for(row))
            d.kill()
            self.browser.wait_until("!ringmaster.number", "the number is given up")
            self.assertEqual(self.shown(), [OWN, "tel:" + OWN, "<i>call</i> us"])

    def test_a_page_that_was_loaded_before_the_daemon_was_up(self):
        with self.daemon() as d:
            self.site.page("/", "<p id=n>" + OWN + "</p>" + HURRY +
                           embed(d.port, AUTOS, replace=OWN))
            self.open("/")
            number = self.number()["number"]
            d.stop()
            self.open("/")  # the browser has kept the script
            wait_until(lambda: sum("/numbers?" in url for url in self.browser.requested()) > 1,
                       "the page has asked in vain")
            self.assertEqual(self.browser.text("#n"), OWN)
            self.start_again(d)
            row = self.number()
            self.assertEqual(row["number"], number)
            self.assertEqual(self.browser.text("#n"), row["formatted"])


class WithoutStreams(EmbedTest):
    QUICK = Pool("quick", "k-quick", numbers(203, 5), lifetime_seconds=60)

    def check_polling(self, d, between):
        """Until there is something new, and with a stream once it can be had."""
        row = self.number()
        self.assertEqual(self.browser.text("#n"), row["formatted"])
        wait_until(lambda: between.count("/numbers") >= 3, "it has asked again and again")
        self.assertEqual(self.number()["number"], row["number"])
        self.assertEqual(d.request("DELETE", "/pools/quick/numbers/" + row["number"],
                                   headers=ADMIN).status, 200)
        self.assertEqual(d.request("DELETE", "/numbers/%s?pool=quick&key=k-quick&session=%s" % (
            row["number"], self.browser.script("return ringmaster.session"))).status, 204)
        self.browser.wait_until("ringmaster.number.number !== arguments[0]",
                                "it has another number", row["number"])
        between.streams = "pass"
        wait_until(lambda: between.open_streams == 1, "there is a stream")

    def test_where_streams_are_refused_it_asks_again_and_again(self):
        with self.daemon([self.QUICK]) as d, Between(d.port, "refuse") as between:
            self.site.page("/", "<p id=n>" + OWN + "</p>" + HURRY +
                           embed(between.port, self.QUICK, replace=OWN))
            self.open("/")
            self.check_polling(d, between)

    def test_where_a_stream_is_refused_there_is_a_number_at_once(self):
        with self.daemon() as d, Between(d.port, "refuse") as between:
            self.site.page("/", "<p id=n>" + OWN + "</p>" + PATIENCE +
                           embed(between.port, AUTOS, replace=OWN))
            self.open("/")
            row = self.number()
            self.assertEqual(self.browser.text("#n"), row["formatted"])
            self.assertEqual(between.count("/numbers"), 1)

    def test_where_streams_are_held_back_it_asks_again_and_again(self):
        with self.daemon([self.QUICK]) as d, Between(d.port, "hold") as between:
            self.site.page("/", "<p id=n>" + OWN + "</p>" + HURRY +
                           embed(between.port, self.QUICK, replace=OWN))
            self.open("/")
            self.check_polling(d, between)
            self.assert_quiet()

    def test_a_browser_without_event_streams(self):
        with self.daemon() as d:
            self.site.page("/", "<p id=n>" + OWN + "</p>" +
                           "<script>delete window.EventSource</script>" +
                           embed(d.port, AUTOS, replace=OWN))
            self.open("/")
            row = self.number()
            self.assertIn(row["number"], AUTOS.numbers)
            self.assertEqual(self.browser.text("#n"), row["formatted"])
            self.assertEqual(self.streams(), [])
            self.assert_quiet()


class WhoLooks(EmbedTest):
    def test_a_page_that_is_left_keeps_no_stream(self):
        with self.daemon() as d, Between(d.port) as between:
            self.site.page("/", "<p id=n>" + OWN + "</p>" + embed(between.port, AUTOS, replace=OWN))
            self.open("/")
            row = self.number()
            self.assertEqual(between.open_streams, 1)
            self.open("/elsewhere")
            wait_until(lambda: between.open_streams == 0, "the stream is closed")
            self.browser.driver.back()
            wait_until(lambda: between.open_streams == 1, "the stream is open again")
            self.assertEqual(self.number()["number"], row["number"])
            self.wait_for_text("#n", row["formatted"])
            self.assert_quiet()

    def test_nor_does_one_that_is_hidden_for_long(self):
        with self.daemon() as d, Between(d.port) as between:
            self.site.page("/", "<p id=n>" + OWN + "</p>" + HURRY +
                           embed(between.port, AUTOS, replace=OWN))
            self.open("/")
            row = self.number()
            self.open_tab("/elsewhere")
            wait_until(lambda: between.open_streams == 0, "the stream is closed")
            self.browser.driver.switch_to.window(self.tab)
            wait_until(lambda: between.open_streams == 1, "the stream is open again")
            self.assertEqual(self.number()["number"], row["number"])
            self.assertEqual(self.browser.text("#n"), row["formatted"])
            self.assert_quiet()


if __name__ == "__main__":
    daemon.main()
