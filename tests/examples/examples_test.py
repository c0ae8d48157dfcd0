"""Runs the programs of src/examples against an upstream of its own, all on the loopback interface.

How long something takes is not looked at, but whether it ends at all: what would take ten thousand
seconds one after the other ends within a minute only side by side.
"""

import http.client
import http.server
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/system"))

from daemon import PATIENCE_S, wait_until  # noqa: E402

PROGRAMS = pathlib.Path(os.environ.get("RINGMASTER_EXAMPLES", SOURCE / "build/release/examples"))


class Program:
    def __init__(self, name, *arguments):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([PROGRAMS / name, "127.0.0.1:0", *map(str, arguments)],
                                        stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        self.errors.close()
        if status != 0:
            raise AssertionError("ended with status %d" % status)

    def get(self, target, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, target, body)
            response = connection.getresponse()
            return response.status, response.read().decode(), response.headers
        finally:
            connection.close()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)

    def said(self):
        self.errors.seek(0)
        return self.errors.read()


class Upstream(http.server.ThreadingHTTPServer):
    """Answers with what `pages` has for the target: (status, text)."""

    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status, text = self.server.pages.get(self.path, (404, "no such page"))
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Upstream", "yes")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    def __init__(self, pages):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.pages = pages
        self.address = "127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def refusing_address():
    """Where nobody listens: the port is ours, but not listened on."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken, "127.0.0.1:%d" % taken.getsockname()[1]


class Examples(unittest.TestCase):
    def test_proxy(self):
        with Upstream({"/page?a=b%20c": (200, "<p>hello"), "/bad": (500, "upstream's fault")}) as up:
            with Program("proxy", up.address) as proxy:
                status, text, headers = proxy.get("/page?a=b%20c")
                self.assertEqual((status, text), (200, "<p>hello"))
                self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
                self.assertEqual(headers["X-Upstream"], "yes")
                self.assertEqual(proxy.get("/bad")[:2], (500, "upstream's fault"))
                self.assertEqual(proxy.get("/none")[:2], (404, "no such page"))
        taken, nobody = refusing_address()
        with taken, Program("proxy", nobody) as proxy:
            status, text, _ = proxy.get("/page")
            self.assertEqual(status, 502)
            self.assertIn("BadGateway", text)

    def test_dependent(self):
        pages = {"/accounts/ann": (200, "17"), "/orders/17": (200, "socks"),
                 "/accounts/bob": (200, "18")}
        with Upstream(pages) as up, Program("dependent", up.address) as program:
            self.assertEqual(program.get("/visitors/ann/orders")[:2], (200, "socks"))
            status, text, _ = program.get("/visitors/bob/orders")
            self.assertEqual(status, 502)
            self.assertIn("no orders", text)
            self.assertIn("no account", program.get("/visitors/eve/orders")[1])

    def test_sleeper(self):
        with Program("sleeper", 1000) as program:
            for connections, requests in ((3, 1), (160, 63)):
                sockets = [program.connect() for _ in range(connections)]
                for s in sockets:
                    s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * requests)
                for s in sockets:
                    received = b""
                    while received.count(b"awake\n") < requests:
                        part = s.recv(65536)
                        self.assertTrue(part, received[-200:])
                        received += part
                    self.assertEqual(received.count(b"HTTP/1.1 200 OK\r\n"), requests)
                    s.close()

    def test_fan_out(self):
        taken, nobody = refusing_address()
        with Upstream({"/price/socks": (200, "3.50"), "/price/tie": (200, "20")}) as up, taken:
            addresses = [up.address, nobody, up.address, nobody, up.address]
            with Program("fan_out", *addresses) as program:
                status, text, _ = program.get("/prices/socks")
                self.assertEqual(status, 200)
                lines = text.splitlines()
                self.assertEqual([lines[i] for i in (0, 2, 4)], ["3.50"] * 3)
                for i in (1, 3):
                    self.assertTrue(lines[i].startswith("failed: "), lines[i])
                # As an exception: the client gets its handle, and the log the reason.
                status, text, _ = program.get("/total/socks")
                self.assertEqual(status, 500)
                handle = re.search(r"error handle (\d+)", text)[1]
                self.assertIn("error handle %s: /total/socks: " % handle, program.said())
                self.assertIn("refused", program.said())
            with Program("fan_out", *[up.address] * 5) as program:
                self.assertEqual(float(program.get("/total/tie")[1]), 100)

    def test_countdown(self):
        with Program("countdown", 20) as program:
            status, text, headers = program.get("/from/3")
            self.assertEqual((status, text), (200, "3\n2\n1\nlift-off\n"))
            self.assertEqual(headers["Transfer-Encoding"], "chunked")
            with program.connect() as client:
                client.sendall(b"GET /events/from/2 HTTP/1.1\r\nHost: a\r\n\r\n")
                received = b""
                while b"lift-off" not in received:
                    received += client.recv(4096)
                self.assertIn(b"Content-Type: text/event-stream\r\n", received)
                self.assertIn(b"event: count\ndata: 2\n\n", received)

    def test_countdown_whose_client_leaves(self):
        with Program("countdown", 20) as program:
            with program.connect() as client:
                client.sendall(b"GET /from/100000 HTTP/1.1\r\nHost: a\r\n\r\n")
                received = b""
                while b"99998" not in received:
                    received += client.recv(4096)
            wait_until(lambda: "countdown ended at 99" in program.said(), "the handler ends")

    def test_upload(self):
        with tempfile.TemporaryDirectory() as directory:
            directory = pathlib.Path(directory)
            with Program("upload", directory) as program:
                content = os.urandom(3_000_000)
                status, text, _ = program.get("/whole", "PUT", content)
                self.assertEqual((status, text), (201, "3000000 bytes\n"))
                self.assertEqual((directory / "whole").read_bytes(), content)
                self.assertEqual(program.get("/..%2Fa", "PUT", b"x")[0], 400)

                def parts():
                    return [p for p in directory.iterdir() if p.name.startswith(".part-")]

                with program.connect() as client:
                    client.sendall(b"PUT /half HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
                    client.sendall(content[:500_000])
                    wait_until(lambda: parts(), "the upload begins")
                wait_until(lambda: not parts(), "what was there of it is removed")
                self.assertEqual([p.name for p in directory.iterdir()], ["whole"])

    def test_wrong_command_lines(self):
        for arguments in ([], ["nonsense", "1"], ["127.0.0.1:0"]):
            done = subprocess.run([PROGRAMS / "sleeper", *arguments], capture_output=True, text=True,
                                  timeout=PATIENCE_S)
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr)


if __name__ == "__main__":
    unittest.main()
