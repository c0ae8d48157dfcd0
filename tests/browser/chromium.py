"""A headless Chromium, and what tests ask of it.

Every host name leads to this machine: nothing that a page asks for leaves it, and one server can be
several sites. Chromium and its driver must be installed (scripts/install test): where they are not,
a test fails.
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile
import urllib.parse

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

HERE = pathlib.Path(__file__).resolve().parent
for sibling in ("system", "shards"):
    sys.path.insert(0, str(HERE.parent / sibling))

import daemon  # noqa: E402

# Where pictures of pages are left to be looked at.
SCREENSHOTS = pathlib.Path(os.environ.get("RINGMASTER_SCREENSHOTS", tempfile.gettempdir()))

SWITCHES = [
    "--headless=new",
    "--no-sandbox",  # which root can't have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * 127.0.0.1",
]


class Browser:
    """One browser with a profile of its own, which is gone afterwards. Use it with `with`."""

    def __init__(self, width=1280, height=900):
        self.profile = tempfile.mkdtemp(prefix="ringmaster-browser-")
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for switch in [*SWITCHES, "--user-data-dir=" + self.profile]:
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.requests, self.complaints = [], []
        try:
            self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"),
                                           options=options)
        except BaseException:
            shutil.rmtree(self.profile, ignore_errors=True)
            raise
        self.driver.set_page_load_timeout(daemon.PATIENCE_S)
        self.driver.set_script_timeout(daemon.PATIENCE_S)
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def open(self, url):
        self.driver.get(url)

    def resize(self, width, height):
        """The page's own area, in CSS pixels. A window can't be as narrow as a phone, this can."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme):
        """"dark" or "light", as the user's system would have it."""
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": scheme}])

    def devtools(self, command, **parameters):
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def script(self, text, *arguments):
        """What a function with this body returns."""
        return self.driver.execute_script(text, *arguments)

    def wait_until(self, expression, what, *arguments):
        """Until a JavaScript expression is true, of which not every name need be known at first: a
        script may be still on its way."""
        text = """try {
                return !!(%s);
            } catch (error) {
                if (error instanceof ReferenceError) return false;
                throw error;
            }""" % expression
        daemon.wait_until(lambda: self.script(text, *arguments), what)

    def text(self, selector):
        return self.script("return document.querySelector(arguments[0]).textContent.trim()",
                           selector)

    def texts(self, selector):
        return self.script("return [...document.querySelectorAll(arguments[0])]"
                           ".map(e => e.textContent.trim())", selector)

    def requested(self):
        """Every URL that pages have asked for, one for each request."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        return self.requests

    def requested_hosts(self):
        urls = [urllib.parse.urlsplit(url) for url in self.requested()]
        return {url.netloc for url in urls if url.scheme in ("http", "https", "ws", "wss")}

    def console(self):
        """What pages, and the browser about them, have said on the console, from warnings on."""
        self.complaints += [entry["message"] for entry in self.driver.get_log("browser")
                            if entry["level"] in ("WARNING", "SEVERE")]
        return self.complaints

    def screenshot(self, name):
        """Of the page's area; returns the path of the PNG file."""
        path = SCREENSHOTS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))
        return path
