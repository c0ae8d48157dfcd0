"""GET /events of daemons that share one Redis: each tells of what its own clients were told."""

import unittest
import urllib.parse

from daemons import Daemons
from daemon import OVERFLOW, Pool, main, numbers, wait_until
from event_reader import EventReader
from redis_server import RedisServer

AUTOS = Pool("autos", "A329F4DC", numbers(201), lifetime_seconds=600)
BOATS = Pool("boats", "77AA01", numbers(202, 1), lifetime_seconds=600)


def known(event):
    return {k: v for k, v in event.data.items() if k not in ("time", "expires_at")}


class Events(unittest.TestCase):
    def setUp(self):
        self.redis = RedisServer()
        self.addCleanup(self.redis.__exit__)
        self.redis.__enter__()
        self.d = Daemons(self.redis, [AUTOS, BOATS], count=2, shards=2)
        self.addCleanup(self.d.__exit__)
        self.d.__enter__()
        self.d.wait_until_known(AUTOS, BOATS)

    def test_a_daemon_tells_of_all_its_shards(self):
        here, there = self.d
        with EventReader(here.at(0)) as reader, EventReader(there.at(0)) as other:
            number = here.at(1).number(BOATS, "v-81", utm_source="radio").json["number"]
            here.at(0).number(BOATS, "v-81")
            here.at(0).number(BOATS, "v-82")
            query = urllib.parse.urlencode({"pool": "boats", "key": "77AA01", "session": "v-81"})
            here.at(1).request("DELETE", "/numbers/%s?%s" % (urllib.parse.quote(number), query))
            there.at(1).number(AUTOS, "v-83")
            reader.wait_for(lambda events: len(events) == 3)
            # Those of different shards may come in any order.
            told = {e.name: known(e) for e in reader.events}
            self.assertEqual(told["allocation"], {
                "pool": "boats", "number": number, "session": "v-81",
                "context": {"utm_source": "radio"}})
            self.assertEqual(told["overflow"], {
                "pool": "boats", "number": OVERFLOW, "session": "v-82", "context": {},
                "reason": "exhausted"})
            self.assertEqual(told["release"],
                             {"pool": "boats", "number": number, "session": "v-81"})
            other.wait_for_sessions("v-83")
            self.assertEqual(len(other.events), 1)

    def test_touches_are_told_to_whom_they_concern(self):
        here = self.d[0]
        here.at(0).number(AUTOS, "v-81")
        with EventReader(here.at(0), "?type=touch") as reader:
            wait_until(lambda: here.at(0).number(AUTOS, "v-81") and reader.events, "it is told")
            self.assertEqual(reader.events[0].data["session"], "v-81")
            self.assertIn("expires_at", reader.events[0].data)

    def test_who_comes_back_goes_on_while_the_process_lives(self):
        here = self.d[0]
        with EventReader(here.at(0)) as reader:
            here.at(0).number(AUTOS, "v-1")
            reader.wait_for_sessions("v-1")
        here.at(1).number(AUTOS, "v-2")
        with EventReader(here.at(1), last_id=reader.last_id) as again:
            again.wait_for_sessions("v-2")
            self.assertEqual([e.name for e in again.events], ["allocation"])
        here.kill()
        here.start()
        here.wait_until_ready()
        with EventReader(here.at(0), last_id=again.last_id) as last:
            last.wait_for(lambda _: len(last.named("lost")) == 2)
            self.assertEqual(last.events[0].data,
                             {"count": None, "types": "allocation,overflow,release"})
            here.at(0).number(AUTOS, "v-3")
            last.wait_for_sessions("v-3")


if __name__ == "__main__":
    main()
