"""The command line, and what is said of a configuration."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

import daemon
from daemon import Daemon, Pool, command, numbers


class CommandLine(unittest.TestCase):
    def test_help_and_version(self):
        for arguments in (["--help"], ["serve", "--help"], ["check-config", "--help"]):
            done = command(*arguments)
            self.assertEqual(done.returncode, 0)
            self.assertIn("Exit status:", done.stdout)
        version = command("--version")
        self.assertEqual(version.returncode, 0)
        self.assertRegex(version.stdout, r"^ringmaster \d+\.\d+\.\d+\n$")

    def test_bad_usage(self):
        for arguments in ([], ["nonsense"], ["serve", "--nonsense"], ["serve", "--config"],
                          ["serve", "check-config"]):
            done = command(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertTrue(done.stderr)
            self.assertEqual(done.stdout, "")


class Config(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ringmaster-test-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def test_demo_is_good(self):
        (self.directory / "configs").mkdir()
        config = self.directory / "configs/ringmaster.toml"
        shutil.copy(daemon.SOURCE / "configs/ringmaster.toml", config)
        subprocess.run([daemon.SOURCE / "configs/demo/make-numbers", self.directory / "data/demo"],
                       check=True, stdout=subprocess.DEVNULL)
        done = command("check-config", "--config", config)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r": good; 5 pools, \d{5} numbers, 0 refused\n$")

    def test_all_that_is_wrong_is_told_with_its_place(self):
        config = self.write("x.toml", "[server]\n"
                                      "lisen = \"127.0.0.1:0\"\n"
                                      "backlog = \"many\"\n"
                                      "[[pool]]\n"
                                      "id = \"autos\"\n"
                                      "key = 5\n"
                                      "numbers_file = \"autos.txt\"\n"
                                      "allow_overflow = false\n")
        expected = (f"{config}:2:1: [server] has no key lisen; did you mean listen?\n"
                    f"{config}:3:11: [server] backlog is \"many\"; expected an integer from 1 to "
                    f"65535 (connections)\n"
                    f"{config}:6:7: [[pool]] key is an integer; expected a string of 1 to 128 "
                    f"bytes\n")
        for name in ("check-config", "serve"):
            done = command(name, "--config", config)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", expected))

    def test_missing_file(self):
        config = self.directory / "none.toml"
        for name in ("check-config", "serve"):
            done = command(name, "--config", config)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr, f"{config}: can't be read: No such file or directory\n")

    def test_refused_numbers_are_told_and_the_rest_is_served(self):
        pool = Pool("autos", "A329F4DC", ["+12015550100", "bad", "+12015550101", "+12015550100"])
        with Daemon([pool]) as d:
            self.assertIn("autos.txt:2: bad: ", d.log())
            self.assertIn("autos.txt:4: +12015550100: ", d.log())
            daemon.wait_until(lambda: "1 pools, 2 numbers" in d.log(), "the shard says so")
            self.assertEqual({d.number(pool, s).json["number"] for s in "ab"},
                             {"+12015550100", "+12015550101"})

            checked = command("check-config", "--config", d.config)
            self.assertEqual(checked.returncode, 0)
            self.assertIn("autos.txt:2: bad: ", checked.stderr)
            self.assertEqual(checked.stdout, f"{d.config}: good; 1 pools, 2 numbers, 2 refused\n")

    def test_pool_without_numbers(self):
        d = Daemon([Pool("autos", "A329F4DC", ["# none"]),
                    Pool("boats", "77AA01", numbers(201))])
        self.addCleanup(d.__exit__)
        for name in ("check-config", "serve"):
            done = command(name, "--config", d.config)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"pool 'autos': {d.directory}/autos.txt has no good number", done.stderr)

    def test_log_file_in_json(self):
        d = Daemon([Pool("autos", "A329F4DC", numbers(201))],
                   {"log": {"file": "log.json", "format": "json"}})
        self.addCleanup(d.__exit__)
        d.log_path = d.directory / "log.json"
        d.start()
        self.assertEqual(d.stop(), 0)
        self.assertRegex(d.log(), r'^(\{"time":"\S+Z","level":"info","process":"[a-z0-9 ]+","message":".*"\}\n)+$')
        self.assertEqual((d.directory / "stderr.log").exists(), False)

    def test_log_file_that_cant_be_written(self):
        d = Daemon([Pool("autos", "A329F4DC", numbers(201))], {"log": {"file": "x.toml/log"}})
        self.addCleanup(d.__exit__)
        (d.directory / "x.toml").write_text("")
        done = command("serve", "--config", d.config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the log can't be written: ", done.stderr)


if __name__ == "__main__":
    daemon.main()
