"""How the daemon stops."""

import http.client
import json
import signal
import threading
import unittest

import daemon
from daemon import Daemon, Pool, ask, numbers, receive_all, row

POOL = Pool("autos", "k", numbers(201))
BODY = json.dumps({"requests": [row(POOL, "late")]}).encode()
HEAD = b"POST /numbers HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BODY)


class Signals(unittest.TestCase):
    def start(self, **server):
        d = Daemon([POOL], {"server": server})
        self.addCleanup(d.__exit__)
        return d.start()

    def stop_in_the_middle_of_a_request(self, d, sent, number=signal.SIGTERM):
        """A connection on which `sent` has arrived before the daemon begins to stop, as it has."""
        connection, idle = d.socket(), d.socket()
        self.addCleanup(connection.close)
        # What comes back tells that the beginning of the next request has been read with it.
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n" + sent)
        daemon.receive_until(connection, b"pong")
        d.signal(number)
        # The supervisor tells of the signal before the shard has heard of it; the shard closes what
        # is idle when it begins to drain.
        self.assertEqual(receive_all(idle), b"")
        idle.close()
        return connection

    def test_each_of_them_stops(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            d = self.start()
            d.signal(number)
            self.assertEqual(d.wait(), 0)
            self.assertIn("stopped after 0 requests", d.log())

    def test_requests_in_flight_are_answered(self):
        d = self.start()
        idle = d.connect()
        self.addCleanup(idle.close)
        self.assertEqual(ask(idle, "GET", "/ping").status, 200)

        connection = self.stop_in_the_middle_of_a_request(d, HEAD + BODY[:10])
        self.assertEqual(receive_all(idle.sock), b"")
        with self.assertRaises(ConnectionRefusedError):
            d.socket()
        connection.sendall(BODY[10:])
        answer = receive_all(connection)
        self.assertEqual(daemon.statuses(answer), [200])
        self.assertIn(b"connection: close", answer.lower())
        self.assertEqual(d.wait(), 0)

        number = json.loads(answer.split(b"\r\n\r\n", 1)[1])["responses"][0]["number"]
        d.start()
        self.assertEqual(d.number(POOL, "late").json["number"], number)

    def test_under_load_every_answer_that_begins_is_whole(self):
        d = self.start()
        held, failures, enough = {}, [], threading.Barrier(4 + 1)

        def load(client):
            connection = d.connect()
            try:
                for i in range(10**6):
                    if i == 20:
                        enough.wait()
                    session = "%d-%d" % (client, i % 20)
                    answer = ask(connection, "GET", daemon.numbers_target(POOL, session))
                    held[session] = answer.json["number"]
            except http.client.IncompleteRead as error:
                failures.append(error)
            except (OSError, http.client.HTTPException):
                pass  # no answer, because it is gone
            except Exception as error:
                failures.append(error)
            finally:
                connection.close()

        clients = [threading.Thread(target=load, args=(i,)) for i in range(4)]
        for client in clients:
            client.start()
        enough.wait(daemon.PATIENCE_S)
        self.assertEqual(d.stop(), 0)
        for client in clients:
            client.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(set(held.values())), 80)
        d.start()
        for session, number in held.items():
            self.assertEqual(d.number(POOL, session).json["number"], number)

    def test_is_not_ready_while_it_drains(self):
        d = self.start()
        connection = self.stop_in_the_middle_of_a_request(d, b"GET /readyz HTTP/1.1\r\nHost: a\r\n")
        connection.sendall(b"\r\n")
        self.assertEqual(daemon.statuses(receive_all(connection)), [503])
        self.assertEqual(d.wait(), 0)

    def test_drain_has_an_end(self):
        d = self.start(drain_timeout_ms=200)
        connection = self.stop_in_the_middle_of_a_request(d, HEAD)
        self.assertEqual(d.wait(), 0)
        self.assertEqual(receive_all(connection), b"")
        self.assertIn("1 connections are cut off after 200 ms", d.log())

    def test_second_one_stops_at_once(self):
        d = self.start(drain_timeout_ms=3_600_000, body_timeout_ms=3_600_000)
        number = d.number(POOL, "kept").json["number"]
        self.stop_in_the_middle_of_a_request(d, HEAD, signal.SIGINT)
        d.signal(signal.SIGTERM)
        self.assertEqual(d.wait(), 1)
        self.assertIn("SIGTERM again: stopping at once", d.log())
        d.start()
        self.assertEqual(d.number(POOL, "kept").json["number"], number)


if __name__ == "__main__":
    daemon.main()
