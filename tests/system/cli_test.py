"""The commands that ask a running daemon, and what is made from the tree of commands."""

import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

import daemon
from daemon import BINARY, Daemon, Pool, command, numbers

TOKEN = "a-token-for-these-tests"
AUTOS = Pool("autos", "A329F4DC", numbers(201))


def shell(*arguments, **options):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=daemon.PATIENCE_S,
                          **options)


class WithDaemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon([AUTOS], {"admin": {"token": TOKEN}})
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.daemon.start()
        cls.url = "http://127.0.0.1:%d" % cls.daemon.port

    def run_command(self, *arguments, input=None, token=TOKEN):
        environment = {**os.environ, "RINGMASTER_TOKEN": token}
        return shell(BINARY, *map(str, arguments), "--url", self.url, input=input, env=environment)

    def done(self, *arguments, **options):
        ran = self.run_command(*arguments, **options)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return ran.stdout

    def put_pool(self, id):
        definition = {"key": "k", "overflow_number": daemon.OVERFLOW}
        out = self.done("pools", "put", id, "--file", "-", input=json.dumps(definition))
        self.assertEqual(out, "pool %s: created\n" % id)
        self.addCleanup(self.run_command, "pools", "delete", id)

    def test_pools_are_listed_and_shown(self):
        table = self.done("pools", "list").splitlines()
        self.assertRegex(table[0], r"^POOL +NAME +NUMBERS +HELD")
        self.assertRegex("\n".join(table), r"\nautos +100 ")
        pools = json.loads(self.done("pools", "list", "--json"))["pools"]
        self.assertIn("autos", [pool["id"] for pool in pools])
        self.assertRegex(self.done("pools", "show", "autos"), r"(?m)^lifetime +30 min$")
        self.assertEqual(json.loads(self.done("pools", "show", "autos", "--json"))["id"], "autos")
        missing = self.run_command("pools", "show", "none")
        self.assertEqual(missing.returncode, 3)
        self.assertIn("none", missing.stderr)

    def test_numbers_are_imported_and_exported(self):
        self.put_pool("new")
        lines = ["number,note"] + ["%s,x" % n for n in numbers(212)]
        self.assertEqual(self.done("pools", "import", "new", "-", input="\n".join(lines)),
                         "pool new: 100 numbers added\n")
        self.assertEqual(sorted(self.done("pools", "export", "new").split()), numbers(212))
        csv = self.done("pools", "export", "new", "--csv").splitlines()
        self.assertEqual(csv[0], "number,formatted,state")
        self.assertIn("+12125550100,212-555-0100,free", csv)

        # Once more changes nothing; and one number of another pool is refused by the daemon alone.
        self.assertEqual(self.done("pools", "import", "new", "-", input="\n".join(lines)),
                         "pool new: 0 numbers added\n")
        wrong = self.run_command("pools", "import", "new", "-",
                                 input="213-555-0100\n201-555-0100\n")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("-:2: +12015550100: ", wrong.stderr)
        self.assertEqual(self.done("pools", "import", "new", "-", "--replace",
                                   input="\n".join(numbers(212, 101)[1:99] + numbers(213, 1))),
                         "pool new: 1 numbers added, 2 removed, 0 draining\n")
        skipped = self.run_command("pools", "import", "new", "-", "--skip-invalid",
                                   input="bad\n213-555-0101\n201-555-0100\n")
        self.assertEqual((skipped.returncode, skipped.stdout),
                         (0, "pool new: 1 numbers added, 2 refused\n"))
        self.assertIn("-:1: bad: ", skipped.stderr)
        self.assertIn("-:3: +12015550100: ", skipped.stderr)

    def test_import_of_many(self):
        self.put_pool("many")
        many = ["+1%d%07d" % (area, i) for area in (206, 207, 208, 209, 210)
                for i in range(2000000, 2040000)]
        out = json.loads(self.done("pools", "import", "many", "-", "--json",
                                   input="\n".join(many)))
        self.assertEqual((out["added"], out["refused"], out["complete"]), (200000, 0, True))
        self.assertEqual(sorted(self.done("pools", "export", "many").split()), sorted(many))

    def test_holder_is_told_released_and_erased(self):
        number = self.daemon.number(AUTOS, "visitor/1", utm_source="google").json["number"]
        text = self.done("numbers", "who", number[2:])
        self.assertIn(number, text)
        self.assertIn("visitor/1", text)
        self.assertIn("utm_source = google", text)
        self.assertEqual(json.loads(self.done("numbers", "who", number, "--json"))["state"], "held")
        self.assertEqual(len(json.loads(self.done("numbers", "who", number, "--history", "5",
                                                  "--json"))["holders"]), 1)
        self.assertEqual(self.done("numbers", "release", number, "--pool", "autos", "--session",
                                   "visitor/1"), number + ": released\n")
        again = self.run_command("numbers", "release", number, "--pool", "autos", "--session",
                                 "visitor/1")
        self.assertEqual(again.returncode, 3)
        self.assertRegex(self.done("erase", "visitor/1"), r"^[1-9]\d* records erased\n$")
        self.assertEqual(self.done("erase", "visitor/1"), "0 records erased\n")
        self.assertIn("(erased)", self.done("numbers", "who", number, "--history", "1"))
        self.assertEqual(self.run_command("numbers", "who", "+12015550199").returncode, 3)

    def test_wrong_token(self):
        wrong = self.run_command("pools", "list", token="some-other-wrong-token")
        self.assertEqual((wrong.returncode, wrong.stdout), (1, ""))
        self.assertTrue(wrong.stderr)
        self.assertNotIn("some-other", wrong.stderr)
        short = self.run_command("pools", "list", token="short")
        self.assertEqual(short.returncode, 1)
        self.assertIn("RINGMASTER_TOKEN has 5 bytes", short.stderr)
        none = shell(BINARY, "pools", "list", "--url", self.url)
        self.assertEqual(none.returncode, 1)
        self.assertIn("the daemon wants the admin token", none.stderr)

    def test_address_and_token_of_the_configuration(self):
        config = self.daemon.directory / "asked.toml"
        (self.daemon.directory / "token").write_text(TOKEN + "\n")
        config.write_text('[server]\nlisten = "0.0.0.0:%d"\n[admin]\ntoken_file = "token"\n'
                          % self.daemon.port)
        self.assertEqual(shell(BINARY, "pools", "list", "--config", config).returncode, 0)
        by_file = shell(BINARY, "pools", "list", "--url", self.url, "--token-file",
                        self.daemon.directory / "token")
        self.assertEqual((by_file.returncode, by_file.stderr), (0, ""))

    def test_journal(self):
        self.daemon.number(AUTOS, "journaled", m="antiques")
        good = command("journal", "verify", "--config", self.daemon.config)
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        self.assertIn("good", good.stdout)
        dump = command("journal", "dump", "--config", self.daemon.config, "--json")
        records = [json.loads(line) for line in dump.stdout.splitlines()]
        self.assertIn(("journaled", {"m": "antiques"}),
                      [(r.get("session"), r.get("context")) for r in records])
        self.assertIn(" session journaled", command("journal", "dump", "--config",
                                                    self.daemon.config).stdout)
        self.assertEqual(command("journal", "verify", "--data-dir", "/nonexistent").returncode, 3)


class WithoutDaemon(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ringmaster-test-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def serve(self, status, body):
        """A server that gives the same answer to everything."""
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return "http://127.0.0.1:%d" % server.server_port

    def test_nobody_listens(self):
        done = command("pools", "list", "--url", "http://127.0.0.1:1")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr,
                         "no daemon can be reached at 127.0.0.1:1: Connection refused\n")

    def test_bad_answers(self):
        for status, body in ((200, b"<html>"), (500, b"oops"), (200, b'{"pools": 5')):
            done = command("pools", "list", "--url", self.serve(status, body))
            self.assertEqual((done.returncode, done.stdout), (1, ""), body)
            self.assertTrue(done.stderr)
        done = command("pools", "list", "--url", self.serve(200, b'{"pools": 5}'))
        self.assertEqual(done.returncode, 0)

    def test_bad_addresses(self):
        for arguments in (["--url", "nonsense"], ["--config", self.directory / "none.toml"]):
            done = command("pools", "list", *arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("expected", done.stderr)
        config = self.directory / "x.toml"
        config.write_text('[server]\nlisten = "127.0.0.1:0"\n')
        self.assertIn("expected --url", command("pools", "list", "--config", config).stderr)

    def complete(self, *words):
        """What bash offers for the last word."""
        script = self.directory / "completion"
        script.write_text(command("completion", "bash").stdout)
        program = ('source %s; complete -p ringmaster >/dev/null || exit 1; shift; '
                   'COMP_WORDS=(ringmaster "$@"); COMP_CWORD=$#; _ringmaster; '
                   'printf "%%s\\n" "${COMPREPLY[@]}"' % script)
        done = shell("bash", "--norc", "-c", program, "bash", "-", *words, cwd=self.directory)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_bash_completion(self):
        script = command("completion", "bash")
        self.assertEqual(shell("bash", "-n", input=script.stdout).returncode, 0)
        self.assertEqual(self.complete("po"), ["pools"])
        self.assertEqual(self.complete("pools", "e"), ["export"])
        self.assertEqual(self.complete("pools", "import", "autos", "--re"), ["--replace"])
        self.assertEqual(self.complete("completion", ""), ["bash", "zsh", "fish", "--help"])
        (self.directory / "some.toml").write_text("")
        self.assertEqual(self.complete("serve", "--config", "so"), ["some.toml"])
        self.assertEqual(self.complete("pools", "import", "autos", "so"), ["some.toml"])
        self.assertEqual(self.complete("pools", "list", "--url", "so"), [])

    def test_completion_of_other_shells(self):
        for name in ("zsh", "fish"):
            done = command("completion", name)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("import", done.stdout)
            if shutil.which(name) is not None:
                path = self.directory / name
                path.write_text(done.stdout)
                checked = shell(name, "-n", path)
                self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        self.assertEqual(command("completion", "csh").returncode, 2)

    def test_manual(self):
        page = self.directory / "ringmaster.1"
        page.write_text(command("man").stdout)
        for part in (".TH RINGMASTER 1", "pools import", "\\-\\-replace", "EXIT STATUS",
                     "RINGMASTER_TOKEN"):
            self.assertIn(part, page.read_text())
        if shutil.which("groff") is not None:
            done = shell("groff", "-man", "-Tutf8", "-ww", "-z", page)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_full_disk_is_told(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([BINARY, "man"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr)


if __name__ == "__main__":
    daemon.main()
