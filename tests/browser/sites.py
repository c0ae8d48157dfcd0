"""The sites that pages are on, and what may stand between a page and the daemon.

Both are on the loopback interface, on ports that the kernel chooses. A browser of chromium.py finds
them by any host name.
"""

import html
import http.server
import select
import socket
import threading


class Server:
    """Answers in threads of its own. Use it with `with`."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler):
                try:
                    self.answer(handler)
                except (ConnectionError, TimeoutError):
                    handler.close_connection = True

            def log_message(self, *_):
                pass

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def send(handler, status, content, headers):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


class Site(Server):
    """Pages by their paths; any other path is the empty page."""

    def __init__(self):
        super().__init__()
        self.pages = {}

    def page(self, path, body, headers=None):
        content = "<!doctype html><meta charset=utf-8><title>page</title><body>" + body
        self.pages[path] = (content.encode(), headers or {})

    def url(self, path, host="shop.test"):
        return "http://%s:%d%s" % (host, self.port, path)

    def answer(self, handler):
        content, headers = self.pages.get(handler.path.partition("?")[0], (b"", {}))
        self.send(handler, 200, content, {"Content-Type": "text/html; charset=utf-8", **headers})


class Between(Server):
    """A proxy in front of the daemon that does to streams what some do: "pass" lets them through,
    "refuse" answers 404, "hold" keeps all that they say to itself. Counts requests by path."""

    def __init__(self, port, streams="pass"):
        super().__init__()
        self.behind = port
        self.streams = streams
        self.asked = {}
        self.open_streams = 0
        self.lock = threading.Lock()

    def count(self, path):
        with self.lock:
            return self.asked.get(path, 0)

    def answer(self, handler):
        path = handler.path.partition("?")[0]
        with self.lock:
            self.asked[path] = self.asked.get(path, 0) + 1
        if path != "/numbers/stream":
            return self.forward(handler)
        if self.streams == "refuse":
            allowed = {"Access-Control-Allow-Origin": handler.headers["Origin"]}
            return self.send(handler, 404, b"", allowed)
        handler.close_connection = True
        with self.lock:
            self.open_streams += 1
        try:
            if self.streams == "hold":
                handler.connection.recv(1)  # until the browser has lost its patience
            else:
                self.forward(handler)
        finally:
            with self.lock:
                self.open_streams -= 1

    def forward(self, handler):
        """Until either side has closed its connection."""
        handler.close_connection = True
        fields = [field for field in handler.headers.items() if field[0].lower() != "connection"]
        head = "".join("%s: %s\r\n" % field for field in [*fields, ("Connection", "close")])
        client = handler.connection
        with socket.create_connection(("127.0.0.1", self.behind)) as behind:
            behind.sendall(("GET %s HTTP/1.1\r\n%s\r\n" % (handler.path, head)).encode())
            while True:
                readable, _, _ = select.select([behind, client], [], [])
                piece = readable[0].recv(65536)
                if not piece or readable[0] is client:
                    return
                client.sendall(piece)


def embed(port, pool, replace="", host="numbers.test", **attributes):
    """The element that a page needs. `attributes` are data- ones: param_x is data-param-x."""
    data = {"pool": pool.id, "key": pool.key, "replace": replace,
            **{name.replace("_", "-", 1): value for name, value in attributes.items()}}
    return '<script async src="http://%s:%d/embed.js" %s></script>' % (host, port, " ".join(
        'data-%s="%s"' % (name, html.escape(value)) for name, value in data.items() if value))
