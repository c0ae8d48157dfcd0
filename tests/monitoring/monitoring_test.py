"""Metrics of whole daemons, and what is made of them in configs/: alerts and the dashboard."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
for sibling in ("system", "shards", "redis_daemons"):
    sys.path.insert(0, str(HERE.parent / sibling))

import daemon  # noqa: E402
import fleet  # noqa: E402
from daemon import Pool, numbers, wait_until  # noqa: E402
from daemons import RedisDaemon  # noqa: E402
from fleet import Fleet, TOKEN  # noqa: E402
from redis_server import RedisServer  # noqa: E402

CONFIGS = daemon.SOURCE / "configs"
POOLS = [Pool(fleet.pool_id(2, 0), "k0", numbers(201)),
         Pool(fleet.pool_id(2, 1), "k1", numbers(202, 3), cooldown_seconds=60)]


def promtool(*arguments, text=None):
    return subprocess.run(["promtool", *map(str, arguments)], input=text, text=True,
                          capture_output=True, timeout=daemon.PATIENCE_S)


def metric_names(text):
    """Those that are asked for in queries."""
    return set(re.findall(r"\b(?:ringmaster|process)_[a-z0-9_]+", text))


def told_names(text):
    """Those that have a sample."""
    return {re.match(r"\w+", line)[0] for line in text.splitlines() if not line.startswith("#")}


class Metrics(unittest.TestCase):
    def assert_good(self, text):
        checked = promtool("check", "metrics", text=text)
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))

    def test_names_and_format_are_as_prometheus_wants_them(self):
        with Fleet(POOLS) as d:
            d.wait_until_serving()
            for pool in POOLS:
                self.assertEqual(d.number(pool, "s").status, 200)
            answer = d.get("/metrics")
            self.assertEqual(answer.headers["Content-Type"],
                             "text/plain; version=0.0.4; charset=utf-8")
            self.assert_good(answer.body.decode())

    def test_what_is_asked_for_in_alerts_and_dashboard_is_told(self):
        told = set()
        with Fleet(POOLS) as d:
            d.wait_until_serving()
            # A pool that will be too small is known to be so from days of demand.
            self.assertEqual(d.stop(), 0)
            grows = [100 + 4 * (i // 24) if i % 24 == 15 else 3 for i in range(24 * 7)]
            d.demand_file(POOLS[0]).write_text(fleet.demand_text(grows))
            d.start()
            d.wait_until_serving()
            wait_until(lambda: b"ringmaster_pool_overflow_in_hours{" in d.get("/metrics").body,
                       "there is advice")
            told |= told_names(d.get("/metrics").body.decode())
        with RedisServer() as redis, RedisDaemon(redis, POOLS) as d:
            d.wait_until_ready()
            wait_until(lambda: b"ringmaster_pool_numbers{" in d.get("/metrics").body,
                       "the pools in Redis are told")
            text = d.get("/metrics").body.decode()
            self.assert_good(text)
            told |= told_names(text)
        for file in ("alerts.yml", "grafana-dashboard.json"):
            asked = metric_names((CONFIGS / file).read_text())
            self.assertGreater(len(asked), 10)
            self.assertEqual(asked - told, set(), file)

    def test_a_number_that_is_handed_out_is_counted_everywhere(self):
        with Fleet(POOLS) as d:
            d.wait_until_serving()
            pool = POOLS[1]
            before = d.at(0).metrics()
            for i in range(4):  # of three numbers
                self.assertEqual(d.at(0).number(pool, "s%d" % i).status, 200)
            number = d.at(0).number(pool, "s0").json["number"]
            self.assertEqual(d.at(0).admin("GET", "/pools").status, 200)
            self.assertEqual(d.at(0).number(Pool("nosuch", "k", []), "s").status, 403)

            def counted():
                after = d.at(0).metrics()
                return {name: after[name] - before.get(name, 0) for name in after}
            labels = '{shard="1",pool="%s"' % pool.id
            of_pool = "ringmaster_pool_allocations_total%s}" % labels
            wait_until(lambda: counted()[of_pool] == 4, "the pools have been looked at since")
            more = counted()
            self.assertEqual(more['ringmaster_allocations_total{shard="1"}'], 4)
            self.assertEqual(more['ringmaster_holds_total{shard="1"}'], 3)
            self.assertEqual(more['ringmaster_overflows_total{shard="1",reason="exhausted"}'], 1)
            self.assertEqual(more["ringmaster_pool_overflows_total%s}" % labels], 1)
            group = '{shard="0",group="%s"'
            self.assertEqual(more['ringmaster_responses_total%s,code="2xx"}' % group % "numbers"],
                             5)
            self.assertEqual(more['ringmaster_responses_total%s,code="4xx"}' % group % "numbers"],
                             1)
            self.assertEqual(more['ringmaster_responses_total%s,code="2xx"}' % group % "admin"], 1)
            self.assertEqual(
                more["ringmaster_request_duration_seconds_count%s}" % group % "numbers"], 6)
            self.assertEqual(
                more['ringmaster_request_duration_seconds_bucket%s,le="+Inf"}' % group
                % "numbers"], 6)

            wait_until(lambda: self.standing(d, labels) == [3, 0, 0], "three are held")
            d.at(0).request("DELETE", "/numbers/%s?pool=%s&key=%s&session=s0" %
                            (number.replace("+", "%2B"), pool.id, pool.key))
            wait_until(lambda: self.standing(d, labels) == [2, 1, 0], "one cools down")
            self.assertEqual(counted()['ringmaster_releases_total{shard="1"}'], 1)

    def standing(self, d, labels):
        metrics = d.at(0).metrics()
        return [metrics['ringmaster_pool_numbers%s,state="%s"}' % (labels, state)]
                for state in ("held", "cooling", "free")]

    def test_pools_past_the_bound_are_told_together(self):
        pools = [Pool("p%d" % i, "k", numbers(201 + i, 10)) for i in range(5)]
        with Fleet(pools, shards=1, sections={"metrics": {"max_pools": 2}}) as d:
            d.wait_until_serving()
            self.assertEqual(d.number(pools[4], "s").status, 200)
            metrics = d.at(0).metrics()
            self.assertEqual(metrics['ringmaster_pools{shard="0"}'], 5)
            self.assertEqual(metrics['ringmaster_pools_left_out{shard="0"}'], 3)
            told = {re.search('pool="([^"]*)"', name)[1] for name in metrics
                    if name.startswith("ringmaster_pool_numbers{")}
            self.assertEqual(told, {"p0", "p1", "(others)"})
            labels = '{shard="0",pool="(others)"'
            self.assertEqual(self.standing(d, labels), [1, 0, 29])
            self.assertEqual(metrics["ringmaster_pool_allocations_total%s}" % labels], 1)

    def test_the_process_is_told(self):
        with Fleet(POOLS) as d:
            d.wait_until_serving()
            metrics = d.at(1).metrics()
            for shard, pid in d.shard_pids().items():
                labels = '{shard="%d"}' % shard
                resident = metrics["process_resident_memory_bytes" + labels]
                self.assertLess(abs(resident / 1024 - daemon.status_of(pid, "VmRSS")), 8192)
                self.assertGreater(metrics["process_cpu_seconds_total" + labels], 0)
                started = metrics["process_start_time_seconds" + labels]
                self.assertGreaterEqual(started, d.directory.stat().st_ctime - 60)
                self.assertLessEqual(started, d.config.stat().st_mtime + daemon.PATIENCE_S)
                self.assertEqual(metrics["ringmaster_ready" + labels], 1)
            builds = [name for name in metrics if name.startswith("ringmaster_build_info")]
            self.assertEqual(len(builds), 2)
            self.assertRegex(builds[0], r'version="\d+\.\d+\.\d+"')

    def test_only_the_administrator_reads_them_where_that_is_configured(self):
        with Fleet(POOLS, sections={"metrics": {"access": "admin"}}) as d:
            d.wait_until_serving()
            self.assertEqual(d.get("/metrics").status, 401)
            wrong = d.get("/metrics", Authorization="Bearer no")
            self.assertEqual(wrong.status, 401)
            answer = d.get("/metrics", Authorization="Bearer " + TOKEN)
            self.assertEqual(answer.status, 200)
            self.assertIn(b"ringmaster_requests_total", answer.body)


class Configs(unittest.TestCase):
    def test_prometheus_takes_its_configuration_and_the_alerts(self):
        checked = promtool("check", "config", CONFIGS / "prometheus.yml")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        checked = promtool("check", "rules", CONFIGS / "alerts.yml")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_alerts_are_raised_when_they_should_be(self):
        tests = HERE / "alerts.test.yml"
        tested = promtool("test", "rules", tests)
        self.assertEqual(tested.returncode, 0, tested.stdout + tested.stderr)
        alerts = re.findall(r"- alert: (\w+)", (CONFIGS / "alerts.yml").read_text())
        self.assertEqual(set(re.findall(r"- alertname: (\w+)", tests.read_text())), set(alerts))

    def test_the_dashboard_is_one(self):
        dashboard = json.loads((CONFIGS / "grafana-dashboard.json").read_text())
        panels = dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        for panel in panels:
            self.assertTrue(panel["targets"], panel["title"])
            for target in panel["targets"]:
                self.assertTrue(metric_names(target["expr"]), target)
        self.assert_promql([target["expr"] for panel in panels for target in panel["targets"]])

    def assert_promql(self, expressions):
        """promtool reads them as rules; a variable of Grafana's stands for a time."""
        rules = [{"record": "r%d" % i, "expr": expression.replace("$__rate_interval", "5m")}
                 for i, expression in enumerate(expressions)]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:  # JSON is YAML
            json.dump({"groups": [{"name": "g", "rules": rules}]}, file)
            file.flush()
            checked = promtool("check", "rules", file.name)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)


if __name__ == "__main__":
    daemon.main()
