"""Several daemons that share one Redis."""

import json
import pathlib
import sys
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
for sibling in ("system", "shards", "checker"):
    sys.path.insert(0, str(HERE.parent / sibling))

import daemon  # noqa: E402
import fleet  # noqa: E402
from daemon import wait_until  # noqa: E402
from fleet import TOKEN, Fleet  # noqa: E402

# So long that no Redis is taken for slow because the machine is busy; and back soon.
PATIENT = {"deadline_ms": 1500, "latency_floor_ms": 1000, "min_cooldown_ms": 50,
           "max_cooldown_ms": 200, "reconnect_most_ms": 100, "catalog_period_ms": 100}


class RedisDaemon(Fleet):
    """One daemon with `shards` shards; `redis` is one of redis_server.py, or a URL."""

    def __init__(self, redis, pools=(), shards=1, sections=None, **more):
        sections = {name: dict(keys) for name, keys in (sections or {}).items()}
        url = redis if isinstance(redis, str) else redis.url
        sections["redis"] = {"url": url, **PATIENT, **sections.get("redis", {})}
        super().__init__(list(pools), shards, sections, **more)

    def admin(self, method, target, body=None):
        headers = {"Authorization": "Bearer " + TOKEN}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self.request(method, target, None if body is None else json.dumps(body), headers)

    def holder(self, number, query=""):
        return self.admin("GET", "/numbers/" + urllib.parse.quote(number) + query)

    def wait_until_ready(self):
        wait_until(lambda: self.get("/readyz").status == 200, "the daemon is ready")

    def wait_for_numbers(self, pool, session):
        """Until a number of the pool is handed out again; returns the answer."""
        found = []

        def allocated():
            answer = self.number(pool, session)
            if answer.status != 200:
                return False
            found[:] = [answer.json]
            return not answer.json.get("overflow")
        wait_until(allocated, "numbers are handed out again")
        return found[0]


class Daemons:
    """`count` of them, which start and are killed together or one by one."""

    def __init__(self, redis, pools, count=3, **more):
        # One of them keeps the pools of the configuration, as an operator would have it.
        self.all = [RedisDaemon(redis, pools if i == 0 else (), **more) for i in range(count)]

    @property
    def port(self):
        return self.all[0].port

    @property
    def ports(self):
        return [d.port for d in self.all]

    def start(self):
        for d in self.all:
            d.start()
        for d in self.all:
            d.wait_until_ready()
        return self

    def wait_until_known(self, *pools):
        for pool in pools:
            wait_until(lambda: all(d.admin("GET", "/pools/" + pool.id).status == 200
                                   for d in self.all), "all daemons know " + pool.id)

    def __getitem__(self, i):
        return self.all[i]

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for d in self.all:
            d.__exit__()


main = daemon.main
