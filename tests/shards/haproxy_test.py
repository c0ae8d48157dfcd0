"""Behind the real HAProxy, with the configurations that are shipped."""

import contextlib
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

from fleet import PEERS, Clients, Fleet, daemon
from daemon import Pool, main, numbers, numbers_target
from ports import free_ports

CONFIGS = daemon.SOURCE / "configs"
SHARDS = 4
POOLS = [Pool("p%d" % i, "k", numbers(201 + i), lifetime_seconds=3600) for i in range(6)]
TARGETS = [numbers_target(pool, "s%d" % i) for pool in POOLS for i in range(20)]


class Proxy:
    """HAProxy with one of our configurations, in which other ports stand, and which waits for as long
    for a shard."""

    def __init__(self, name, directory, ports, patience="60s"):
        self.port = free_ports()
        text = (CONFIGS / name).read_text()
        assert "timeout server 5s" in text
        text = text.replace("timeout server 5s", "timeout server " + patience)
        text = text.replace("127.0.0.1:8000", "127.0.0.1:%d" % self.port)
        for written, real in ports.items():
            assert written in text, written
            text = re.sub(re.escape(written) + r"\b", real, text)
        self.config = pathlib.Path(directory) / name
        self.config.write_text(text)
        self.log = open(self.config.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(["haproxy", "-db", "-f", self.config],
                                        stdout=self.log, stderr=self.log)
        try:
            daemon.wait_until(self.serves, "HAProxy sees the shards")
        except BaseException:
            self.close()
            raise

    def serves(self):
        if self.process.poll() is not None:
            raise AssertionError("HAProxy ended: " + self.config.with_suffix(".log").read_text())
        with contextlib.suppress(OSError):
            return daemon.Daemon.get(self, "/readyz").status == 200

    connect, request = daemon.Daemon.connect, daemon.Daemon.request

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


@unittest.skipUnless(shutil.which("haproxy"), "there is no haproxy")
class HAProxy(unittest.TestCase):
    def fleet(self, shards, pools=POOLS):
        d = Fleet(pools, shards, {"log": {"access": True}, "peers": PEERS})
        self.addCleanup(d.__exit__)
        d.start()
        d.wait_until_serving()
        return d

    def proxy(self, *arguments, **more):
        proxy = Proxy(*arguments, **more)
        self.addCleanup(proxy.close)
        return proxy

    def one_machine(self, **more):
        d = self.fleet(SHARDS)
        ports = {"127.0.0.1:%d" % (8081 + i): "127.0.0.1:%d" % (d.first_port + i)
                 for i in range(SHARDS)}
        return d, self.proxy("haproxy.cfg", d.directory, ports, **more)

    def told_of_numbers(self, _, answer, __):
        self.numbers += 1 if "overflow" not in answer else 0

    def setUp(self):
        self.numbers = 0

    def requests_of(self, d):
        metrics = d.at(0).metrics()
        return [metrics['ringmaster_requests_total{shard="%d"}' % i] for i in range(d.shards)]

    def test_requests_are_spread_and_their_wait_is_told(self):
        d, proxy = self.one_machine()
        before = self.requests_of(d)
        with Clients(proxy.port, TARGETS, self.told_of_numbers, count=8) as clients:
            clients.wait_for(1000)
        self.assertEqual(clients.failures, [])
        for of, was in zip(self.requests_of(d), before):
            self.assertGreater(of - was, 100)
        daemon.wait_until(lambda: re.search(r"GET /numbers.*queue", d.log()), "it is in the log")

    def test_a_killed_shard_costs_no_request(self):
        d, proxy = self.one_machine()
        with Clients(proxy.port, TARGETS, self.told_of_numbers) as clients:
            for shard in range(SHARDS):
                clients.wait_for(100)
                pid = d.kill_shard(shard)
                daemon.wait_until(lambda: d.shard_pids().get(shard, pid) != pid, "it is back")
                clients.wait_for(100)
        self.assertEqual(clients.failures, [])
        self.assertGreater(self.numbers, 100)

    def test_a_shard_that_hangs_is_left_out(self):
        d, proxy = self.one_machine(patience="5s")
        with Clients(proxy.port, TARGETS, self.told_of_numbers) as clients:
            clients.wait_for(100)
            d.stop_shard(1)
            clients.wait_for(200)
            d.continue_shard(1)
            clients.wait_for(200)
        # A request that was under way to it when it stopped is lost to HAProxy's own time-out, or
        # answered when it goes on.
        self.assertLessEqual(len(clients.failures), 4, clients.failures)

    def test_a_rolling_restart_costs_no_request(self):
        d, proxy = self.one_machine()
        with Clients(proxy.port, TARGETS, self.told_of_numbers) as clients:
            clients.wait_for(100)
            before = d.shard_pids()
            d.signal(signal.SIGUSR2)
            daemon.wait_until(lambda: len(d.shard_pids()) == SHARDS and
                              not set(d.shard_pids().values()) & set(before.values()),
                              "all are new")
            d.wait_until_serving()
            clients.wait_for(100)
        self.assertEqual(clients.failures, [])

    def test_administration_needs_no_certain_shard(self):
        d, proxy = self.one_machine()
        headers = {"Authorization": "Bearer a-token-of-the-tests"}
        for i in range(12):
            answer = daemon.Daemon.request(
                proxy, "PUT", "/pools/new%d" % i, '{"key": "k", "allow_overflow": false}',
                {**headers, "Content-Type": "application/json"})
            self.assertEqual(answer.status, 201, answer.body)
            answer = daemon.Daemon.request(proxy, "GET", "/pools/new%d" % i, None, headers)
            self.assertEqual(answer.status, 200)

    def test_two_machines(self):
        machines = [self.fleet(2, [Pool(p.id, p.key, numbers(401 + 100 * m + i), lifetime_seconds=60)
                                   for i, p in enumerate(POOLS)]) for m in range(2)]
        ports = {"192.0.2.%d:%d" % (m + 1, 8081 + i): "127.0.0.1:%d" % (machines[m].first_port + i)
                 for m in range(2) for i in range(2)}
        proxy = self.proxy("haproxy-two-machines.cfg", machines[0].directory, ports)
        told = {}

        def remember(target, answer, _):
            told.setdefault(target, set()).add(answer["number"])
        with Clients(proxy.port, TARGETS, remember) as clients:
            clients.wait_for(600)
        self.assertEqual(clients.failures, [])
        # A visitor keeps his number, and both machines have some.
        self.assertEqual({len(all) for all in told.values()}, {1})
        for machine in machines:
            for of in self.requests_of(machine):
                self.assertGreater(of, 50)
        # One machine is gone: the other one has numbers too.
        machines[0].kill()
        daemon.wait_until(lambda: all(
            daemon.Daemon.get(proxy, target).status == 200 for target in TARGETS),
            "HAProxy has noticed")
        with Clients(proxy.port, TARGETS, remember) as clients:
            clients.wait_for(200)
        self.assertEqual(clients.failures, [])


if __name__ == "__main__":
    main()
