"""Starting, stopping, restarting and resizing a daemon of several shards."""

import json
import os
import shutil
import signal
import socket
import subprocess
import unittest

from fleet import Clients, Fleet, daemon, pool_id
from daemon import BINARY, Pool, main, numbers, numbers_target, row

SHARDS = 2
POOLS = [Pool("p%d" % i, "k", numbers(201 + i), lifetime_seconds=3600) for i in range(6)]
TARGETS = [numbers_target(pool, "s%d" % i) for pool in POOLS for i in range(20)]


class Operations(unittest.TestCase):
    def start(self, shards=SHARDS, pools=POOLS, **more):
        d = Fleet(pools, shards, **more)
        self.addCleanup(d.__exit__)
        d.start()
        d.wait_until_serving()
        return d

    def command(self, d, *words):
        return daemon.command(*words, "--config", d.config)

    def held(self, d):
        """What each of some sessions has, once those who were slow or down are asked again."""
        held = {}
        for pool in POOLS:
            rows = [row(pool, "s%d" % i) for i in range(20)]

            def all_numbers():
                answers = d.batch(rows).json["responses"]
                held[pool.id] = [a["number"] for a in answers]
                self.assertLessEqual({a.get("reason") for a in answers},
                                     {None, "owner_slow", "owner_down"})
                return not any("overflow" in a for a in answers)
            daemon.wait_until(all_numbers, "there are numbers for all")
            self.assertLessEqual(set(held[pool.id]), set(pool.numbers))
        return held

    def test_a_rolling_restart_costs_no_request(self):
        d = self.start()
        held = self.held(d)
        before = d.shard_pids()
        wrong = []

        def told(target, answer, _):
            if "overflow" not in answer and answer["number"] not in sum(held.values(), []):
                wrong.append((target, answer))
        with Clients(d.port, TARGETS, told) as clients:
            clients.wait_for(100)
            restarted = self.command(d, "restart")
            self.assertEqual(restarted.returncode, 0, restarted.stdout + restarted.stderr)
            clients.wait_for(100)
        self.assertEqual(clients.failures, [])
        self.assertEqual(wrong, [])
        after = d.shard_pids()
        self.assertEqual(after.keys(), before.keys())
        self.assertFalse(set(after.values()) & set(before.values()))
        self.assertEqual(self.held(d), held)

    def test_a_rolling_restart_picks_up_a_new_binary_and_settings(self):
        d = self.start(sections={"api": {"max_batch": 50}})
        copy = d.directory / "ringmaster"
        shutil.copy(BINARY, copy)
        d.stop()
        d.process = None
        log = open(d.log_path, "ab")
        self.addCleanup(log.close)
        d.process = subprocess.Popen([copy, "serve", "--config", d.config], start_new_session=True,
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        d.wait_until_serving()
        held = self.held(d)
        # Another file of the same name: that of the running program can't be written.
        os.unlink(copy)
        shutil.copy(BINARY, copy)
        sections = {**d.sections, "api": {"max_batch": 60}}
        d.write_config(POOLS, sections)
        self.assertEqual(self.command(d, "restart").returncode, 0, d.log())
        rows = [row(POOLS[0], "s")] * 60
        self.assertEqual(d.batch(rows).status, 200)
        for pid in [d.process.pid, *d.shard_pids().values()]:
            self.assertEqual(os.stat("/proc/%d/exe" % pid).st_ino, copy.stat().st_ino)
        self.assertEqual(self.held(d), held)

    def test_a_binary_that_is_no_good_is_not_started(self):
        d = self.start()
        copy = d.directory / "ringmaster"
        shutil.copy(BINARY, copy)
        d.stop()
        with open(d.log_path, "ab") as log:
            d.process = subprocess.Popen([copy, "serve", "--config", d.config], stdout=log,
                                         stdin=subprocess.DEVNULL, stderr=log,
                                         start_new_session=True)
        d.wait_until_serving()
        before = d.shard_pids()
        os.unlink(copy)
        copy.write_text("#!/bin/sh\nexit 1\n")
        copy.chmod(0o755)
        self.assertEqual(self.command(d, "restart").returncode, 1)
        self.assertEqual(d.get("/ping").status, 200)
        self.assertEqual(d.shard_pids(), before)

    def test_stop_waits_for_the_outcome(self):
        d = self.start()
        stopped = self.command(d, "stop")
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        self.assertEqual(d.wait(), 0)
        self.assertEqual(daemon.members_of(d.process.pid), [])
        with self.assertRaises(ConnectionRefusedError):
            d.socket()
        self.assertEqual(self.command(d, "stop").returncode, 3)

    def test_status_tells_of_each_shard(self):
        d = self.start()
        text = self.command(d, "status")
        self.assertEqual(text.returncode, 0, text.stderr)
        told = json.loads(self.command(d, "status", "--json").stdout)
        self.assertEqual([s["pid"] for s in told["shards"]],
                         [pid for _, pid in sorted(d.shard_pids().items())])
        for pid in d.shard_pids().values():
            self.assertIn(str(pid), text.stdout)

    def test_reload_tells_what_is_wrong(self):
        d = self.start()
        good = d.config.read_text()
        d.config.write_text(good + "[store]\nfsync = 7\n")
        failed = self.command(d, "reload")
        self.assertEqual(failed.returncode, 1)
        d.config.write_text(good)
        more = Pool(pool_id(SHARDS, 1, "-more"), "k", numbers(407, 2))
        d.write_config([*POOLS, more], d.sections)
        self.assertEqual(self.command(d, "reload").returncode, 0, d.log())
        for i in range(SHARDS):
            self.assertIn(d.at(i).number(more, "s").json["number"], more.numbers)

    def test_the_log_is_reopened(self):
        d = Fleet(POOLS, SHARDS, {"log": {"file": "daemon.log", "access": True}})
        self.addCleanup(d.__exit__)
        log = d.directory / "daemon.log"
        d.start(wait=False)
        d.wait_until_serving()
        log.rename(d.directory / "daemon.log.1")
        d.signal(signal.SIGUSR1)
        daemon.wait_until(log.exists, "there is a new one")
        for i in range(SHARDS):
            daemon.wait_until(lambda: d.at(i).get("/log-of-%d" % i).status == 404 and
                              "/log-of-%d" % i in log.read_text(), "shard %d writes it" % i)

    def test_the_number_of_shards_changes_at_a_start(self):
        d = self.start(1)
        held = self.held(d)
        for shards in (2, 3, 1):
            self.assertEqual(d.stop(), 0)
            d.shards = shards
            d.write_config(POOLS, {**d.sections, "server": {
                k: v for k, v in d.sections["server"].items() if k != "shards"}})
            d.start()
            d.wait_until_serving()
            self.assertEqual(self.held(d), held, "with %d shards" % shards)
            for pool in POOLS:
                number = held[pool.id][3].replace("+", "%2B")
                holder = d.at(0).admin("GET", "/numbers/" + number).json
                self.assertEqual((holder["session"], holder["pool"]), ("s3", pool.id))

    def test_daemonize_and_pid_file(self):
        d = Fleet(POOLS, SHARDS, {"log": {"file": "daemon.log"},
                                  "server": {"pid_file": "daemon.pid"}})
        self.addCleanup(d.__exit__)
        started = self.command(d, "serve", "--daemonize")
        self.assertEqual(started.returncode, 0, started.stderr)
        d.wait_until_serving()  # and at once
        pid = int((d.directory / "daemon.pid").read_text())
        self.assertEqual(daemon.status_of(pid, "PPid"), 1)
        refused = self.command(d, "serve")
        self.assertEqual(refused.returncode, 1)
        self.assertEqual(d.get("/ping").status, 200)
        self.assertEqual(self.command(d, "stop").returncode, 0)
        daemon.wait_until(lambda: pid not in daemon.living_processes(), "it has ended")
        self.assertFalse((d.directory / "daemon.pid").exists())

    def test_systemd_is_told(self):
        scratch = Fleet(POOLS, SHARDS)
        self.addCleanup(scratch.__exit__)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.settimeout(daemon.PATIENCE_S)
        path = str(scratch.directory / "notify")
        notify.bind(path)
        scratch.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"}
        scratch.start()

        def told(what):
            while True:
                text = notify.recv(4096).decode()
                if what in text:
                    return text
        told("READY=1")
        told("WATCHDOG=1")
        scratch.signal(signal.SIGHUP)
        told("RELOADING=1")
        told("READY=1")
        scratch.signal(signal.SIGTERM)
        told("STOPPING=1")
        self.assertEqual(scratch.wait(), 0)


if __name__ == "__main__":
    main()
