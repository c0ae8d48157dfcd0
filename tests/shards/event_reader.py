"""A reader of GET /events."""

import http.client
import json
import threading

from fleet import TOKEN, daemon


class Event:
    def __init__(self, name, id, data):
        self.name, self.id, self.data = name, id, data

    def __repr__(self):
        return "%s %s %s" % (self.name, self.id, self.data)


class EventReader:
    """Reads in a thread of its own, from `last_id` or from now on, until the connection ends or
    the reader is closed. `at` is a daemon, or one of its shards. What has come so far is in
    `events`, and `last_id` says up to where."""

    def __init__(self, at, query="", last_id=None):
        self.events, self.last_id = [], last_id
        self.connection = at.connect()
        headers = {"Authorization": "Bearer " + TOKEN}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", "/events" + query, headers=headers)
        self.response = self.connection.getresponse()
        if self.response.status != 200:
            raise AssertionError((self.response.status, self.response.read()))
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.sock and self.connection.sock.shutdown(2)
        self.thread.join()
        self.connection.close()

    def read(self):
        fields = {}
        try:
            while True:
                line = self.response.readline().decode()
                if not line:
                    return
                if line != "\n":
                    name, _, value = line.rstrip("\n").partition(": ")
                    fields[name] = value
                    continue
                # Only what has come whole counts.
                self.last_id = fields.get("id", self.last_id)
                if "data" in fields:
                    self.events.append(Event(fields["event"], fields.get("id"),
                                             json.loads(fields["data"])))
                fields = {}
        except (OSError, http.client.HTTPException, ValueError):
            pass  # it was cut off

    def is_over(self):
        return not self.thread.is_alive()

    def named(self, name):
        return [event for event in list(self.events) if event.name == name]

    def wait_for(self, condition, what="the events come"):
        daemon.wait_until(lambda: condition(list(self.events)), what)

    def wait_for_sessions(self, *sessions):
        """Of allocations."""
        self.wait_for(lambda _: {e.data.get("session") for e in self.named("allocation")}
                      >= set(sessions))
