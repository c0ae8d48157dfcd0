"""The container's files, as far as they can be judged without a Docker engine."""

import pathlib
import re
import shlex
import tomllib
import unittest

import yaml

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def instructions():
    """[[(instruction, rest)]] of each stage of the Dockerfile."""
    text = (SOURCE / "docker/Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", "")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    stages = []
    for name, rest in lines:
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest))
    return stages


class Dockerfile(unittest.TestCase):
    def test_copies_only_what_there_is(self):
        for stage in instructions():
            for name, rest in stage:
                if name == "COPY":
                    for path in shlex.split(rest)[:-1]:
                        self.assertTrue((SOURCE / path).exists(), path)

    def test_ends_as_a_user_without_privileges(self):
        last = dict(instructions()[-1])
        self.assertEqual(last["USER"], "ringmaster")
        for name in ("HEALTHCHECK", "VOLUME", "EXPOSE", "ENTRYPOINT"):
            self.assertIn(name, last)

    def test_finds_the_address_that_it_replaces(self):
        listen = tomllib.loads((SOURCE / "configs/package/ringmaster.toml").read_text())
        listen = 'listen = "%s"' % listen["server"]["listen"]
        self.assertIn("s/^%s/" % listen, (SOURCE / "docker/Dockerfile").read_text())


class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = yaml.safe_load((SOURCE / "docker/compose.yaml").read_text())
        self.service = self.compose["services"]["ringmaster"]

    def test_builds_this_tree(self):
        context = SOURCE / "docker" / self.service["build"]["context"]
        self.assertEqual(context.resolve(), SOURCE)
        self.assertTrue((context / self.service["build"]["dockerfile"]).exists())

    def test_keeps_the_data_in_a_volume(self):
        volume, path = self.service["volumes"][0].split(":")
        self.assertIn(volume, self.compose["volumes"])
        self.assertEqual(path, dict(instructions()[-1])["VOLUME"])

    def test_waits_for_the_drain(self):
        config = tomllib.loads((SOURCE / "configs/ringmaster.toml").read_text())
        grace_s = int(self.service["stop_grace_period"].removesuffix("s"))
        self.assertGreater(grace_s * 1000, config["server"]["drain_timeout_ms"])

    def test_has_no_more_rights_than_needed(self):
        self.assertIs(self.service["read_only"], True)
        self.assertEqual(self.service["cap_drop"], ["ALL"])

    def test_mounts_what_there_is(self):
        for service in self.compose["services"].values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((SOURCE / "docker" / source).exists(), source)
                else:
                    self.assertIn(source, self.compose["volumes"])

    def test_starts_several_daemons_by_naming_what_stands_in_front(self):
        services = self.compose["services"]
        wanted, found = ["haproxy"], set()
        while wanted:
            name = wanted.pop()
            found.add(name)
            self.assertEqual(services[name]["profiles"], services["haproxy"]["profiles"])
            wanted += services[name].get("depends_on", [])
        self.assertEqual(found, {"haproxy", "daemon", "redis"})
        self.assertNotIn("profiles", self.service)

    def test_lets_several_daemons_reach_redis(self):
        config = tomllib.loads((SOURCE / "docker/redis.toml").read_text())
        host = config["redis"]["url"].removeprefix("redis://").split(":")[0]
        self.assertIn(host, self.compose["services"])
        backend = (SOURCE / "docker/haproxy.cfg").read_text()
        port = config["server"]["listen"].rsplit(":")[-1]
        self.assertIn(" daemon:%s check" % port, backend)
        daemon = self.compose["services"]["daemon"]
        self.assertIn(config["server"]["run_dir"].rsplit("/", 1)[0], daemon["tmpfs"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
