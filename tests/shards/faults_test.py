"""Shards that are killed, hang, and come back, one by one and all at once."""

import collections
import os
import signal
import socket
import time
import unittest

from fleet import PEERS, Clients, Fleet, daemon, pool_id
from daemon import Pool, main, numbers, numbers_target, row

SHARDS = 2
# One for each shard, with more numbers than sessions: overflow is never for want of numbers.
POOLS = [Pool(pool_id(SHARDS, i), "k", numbers(201 + i)) for i in range(SHARDS)]
SESSIONS = ["s%d" % i for i in range(50)]
MINE = [numbers_target(POOLS[0], s) for s in SESSIONS]
OTHERS = [numbers_target(POOLS[1], s) for s in SESSIONS]


class Faults(unittest.TestCase):
    def start(self, **sections):
        d = Fleet(POOLS, SHARDS, {"peers": PEERS, **sections})
        self.addCleanup(d.__exit__)
        d.start()
        d.wait_until_serving()
        return d

    def held(self, d):
        """What every session has, as the pools' owners say."""
        return {(pool.id, s): d.at(i).number(pool, s).json["number"]
                for i, pool in enumerate(POOLS) for s in SESSIONS}

    def check_held(self, d, held):
        for (id, session), number in held.items():
            pool = next(p for p in POOLS if p.id == id)
            told = d.at(0).number(pool, session).json
            self.assertEqual(told["number"], number, told)

    def watch(self, d, targets, batch=None):
        """Clients of shard 0 alone, who count what they are told."""
        seen = collections.Counter()

        def told(_, answer, __):
            seen[answer.get("reason", "number")] += 1
        return Clients(d.first_port, targets, told, batch=batch), seen

    def wait_for_numbers(self, d):
        """Until shard 0 is given numbers of shard 1's pool again, many times in a row."""
        in_a_row = 0
        end = time.monotonic() + daemon.PATIENCE_S
        while in_a_row < 100:
            self.assertLess(time.monotonic(), end, "numbers come back")
            told = d.at(0).number(POOLS[1], SESSIONS[in_a_row % len(SESSIONS)]).json
            in_a_row = 0 if "overflow" in told else in_a_row + 1

    def test_a_killed_shard_is_there_again_and_has_lost_nothing(self):
        d = self.start()
        held = self.held(d)
        clients, seen = self.watch(d, MINE + OTHERS)
        with clients:
            for _ in range(3):
                clients.wait_for(100)
                pid = d.kill_shard(1)
                daemon.wait_until(lambda: d.shard_pids().get(1, pid) != pid, "it is there again")
                self.wait_for_numbers(d)
        self.assertEqual(clients.failures, [])
        self.assertLessEqual(set(seen), {"number", "owner_down", "owner_slow"})
        self.check_held(d, held)
        self.assertEqual(d.at(0).metrics()['ringmaster_shard_restarts_total{shard="1"}'], 3)

    def test_a_shard_that_hangs_costs_overflow_of_its_pools_alone(self):
        d = self.start()
        held = self.held(d)
        mine, seen_of_mine = self.watch(d, MINE)
        others, seen_of_others = self.watch(d, OTHERS)
        with mine, others:
            others.wait_for(50)
            d.stop_shard(1)
            others.wait_for(200)
            mine.wait_for(200)
            metrics = d.at(0).metrics()
            self.assertEqual(metrics['ringmaster_shard_up{shard="1"}'], 0)
            self.assertGreater(metrics['ringmaster_overflows_total{shard="0",reason="owner_slow"}'],
                               0)
            d.continue_shard(1)
            self.wait_for_numbers(d)
            # And no relapse.
            seen_of_others.clear()
            others.wait_for(500)
            self.assertEqual(set(seen_of_others), {"number"})
        self.assertEqual(mine.failures + others.failures, [])
        self.assertEqual(set(seen_of_mine), {"number"})
        self.check_held(d, held)

    def test_a_batch_has_the_numbers_that_can_be_had(self):
        d = self.start()
        rows = [row(POOLS[i % 2], SESSIONS[i]) for i in range(20)]
        before = d.at(0).batch(rows).json["responses"]
        d.stop_shard(1)
        for _ in range(5):
            told = d.at(0).batch(rows).json["responses"]
            self.assertEqual([a["number"] for a in told[::2]], [a["number"] for a in before[::2]])
            self.assertEqual({a.get("reason") for a in told[1::2]}, {"owner_slow"})
        d.continue_shard(1)
        self.wait_for_numbers(d)
        self.assertEqual(d.at(0).batch(rows).json["responses"][1]["number"], before[1]["number"])

    def test_a_pool_without_overflow_is_told_why(self):
        strict = Pool(pool_id(SHARDS, 1, "-strict"), "k", numbers(205), allow_overflow=False)
        d = Fleet([*POOLS, strict], SHARDS, {"peers": PEERS})
        self.addCleanup(d.__exit__)
        d.start()
        d.stop_shard(1)
        told = d.at(0).number(strict, "s")
        self.assertEqual(told.status, 503)
        self.assertIn("owner_slow", told.json["message"])

    def test_the_door_of_a_shard_that_hangs_is_held_open(self):
        d = self.start()
        for hanging in range(SHARDS):
            d.stop_shard(hanging)
            # The kernel sends half of them to the one that hangs.
            for _ in range(24):
                with d.socket() as connection:
                    connection.sendall(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n")
                    daemon.receive_until(connection, b"pong")
            d.continue_shard(hanging)
            d.wait_until_serving()

    def test_doors_are_given_back(self):
        d = self.start()
        d.stop_shard(1)
        daemon.wait_until(lambda: self.accepted_by(d, 0, 24) == 24, "shard 0 has all doors")
        d.continue_shard(1)
        daemon.wait_until(lambda: 0 < self.accepted_by(d, 0, 24) < 24, "it has given one back")

    def accepted_by(self, d, shard, count):
        """How many of so many new connections this shard accepts."""
        name = 'ringmaster_connections_accepted_total{shard="%d"}' % shard
        before = d.at(shard).metrics()[name]
        connections = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(count)]
        for connection in connections:
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n")
            daemon.receive_until(connection, b"pong")
            connection.close()
        return d.at(shard).metrics()[name] - before - 1  # with which it is asked

    def test_shards_drain_when_their_supervisor_is_killed(self):
        d = self.start()
        held = self.held(d)
        with d.at(1).socket() as connection:
            body = b'{"requests": [{"pool": "%s", "key": "k", "session": "late"}]}' % (
                POOLS[0].id.encode())
            head = b"POST /numbers HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n" + head + body[:5])
            daemon.receive_until(connection, b"pong")
            os.kill(d.process.pid, signal.SIGKILL)
            d.process.wait()
            # What has begun is answered.
            connection.sendall(body[5:])
            self.assertEqual(daemon.statuses(daemon.receive_all(connection)), [200])
        daemon.wait_until(lambda: not daemon.members_of(d.process.pid), "all have ended")
        d.start()
        self.check_held(d, held)

    def test_all_are_killed_at_once(self):
        d = self.start()
        held = self.held(d)
        for _ in range(3):
            d.kill()
            d.start()
            self.check_held(d, held)

    def test_a_change_that_dies_with_its_owner_is_whole_or_undone(self):
        d = self.start()
        id = pool_id(SHARDS, 1, "-torn")
        for i in range(8):
            pid = d.shard_pids()[1]
            with d.at(0).socket() as connection:
                body = b'{"key": "k%d", "allow_overflow": false}' % i
                connection.sendall(
                    b"PUT /pools/%s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"
                    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (id.encode(), b"a-token-of-the-tests", len(body), body))
                time.sleep(0.0005 * i)
                os.kill(pid, signal.SIGKILL)
                answer = daemon.statuses(daemon.receive_until(connection, b"}"))
            daemon.wait_until(lambda: d.shard_pids().get(1, pid) != pid, "it is there again")
            self.wait_for_numbers(d)
            # Both shards know the same, whatever it is.
            known = [[p for p in d.at(s).admin("GET", "/pools").json["pools"] if p["id"] == id]
                     for s in range(SHARDS)]
            self.assertEqual(len(known[0]), len(known[1]))
            if answer[0] in (200, 201):
                self.assertEqual(len(known[0]), 1)
            statuses = {d.at(s).get("/numbers?pool=%s&key=k%d&session=s" % (id, i)).status
                        for s in range(SHARDS)}
            self.assertEqual(len(statuses), 1, statuses)


if __name__ == "__main__":
    main()
