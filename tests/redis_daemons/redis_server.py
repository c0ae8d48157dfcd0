"""Redis for tests of daemons: one server, a primary watched by sentinels, or a cluster. All on the
loopback interface and in a directory of their own; nothing is left behind."""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from daemon import PATIENCE_S, wait_until  # noqa: E402
from ports import free_redis_port  # noqa: E402

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


class RedisServer:
    """`options` are those of redis.conf, e.g. appendonly="yes"; underscores stand for hyphens."""

    def __init__(self, arguments=(), **options):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ringmaster-redis-"))
        self.port = free_redis_port()
        self.arguments = list(arguments)
        # A replica is in step at once, instead of 5 s later.
        self.options = {"save": "", "enable_debug_command": "yes", "repl_diskless_sync_delay": 0,
                        **options}
        self.process = None
        self.password = options.get("requirepass")

    @property
    def url(self):
        login = ":%s@" % self.password if self.password else ""
        return "redis://%s127.0.0.1:%d" % (login, self.port)

    def config(self):
        lines = ["port %d" % self.port, "bind 127.0.0.1", "dir %s" % self.directory]
        lines += ["%s %s" % (name.replace("_", "-"), value if value != "" else '""')
                  for name, value in self.options.items()]
        return "\n".join(lines) + "\n"

    def start(self):
        path = self.directory / "redis.conf"
        if not path.exists():  # sentinels and clusters write to theirs
            path.write_text(self.config())
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", path, *self.arguments], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        def answers():
            if self.process.poll() is not None:
                raise AssertionError((self.directory / "log").read_text())
            return "PONG" in self.command("PING", check=False)
        wait_until(answers, "Redis answers")
        return self

    def command(self, *words, check=True):
        """What redis-cli prints."""
        environment = dict(os.environ)
        if self.password:
            environment["REDISCLI_AUTH"] = self.password
        done = subprocess.run(["redis-cli", "-p", str(self.port), *map(str, words)],
                              capture_output=True, text=True, timeout=PATIENCE_S, env=environment)
        text = done.stdout.strip()
        if check and (done.returncode != 0 or text.startswith(("ERR", "NOAUTH", "LOADING"))):
            raise AssertionError("%s: %s %s" % (words, text, done.stderr))
        return text

    def wait_until_replicated(self, replicas):
        """Until so many have all that was written until now. WAIT would only mind what its own
        connection has written."""
        def facts():
            lines = self.command("INFO", "replication").splitlines()
            return dict(line.split(":", 1) for line in lines if ":" in line)
        wanted = int(facts()["master_repl_offset"])

        def replicated():
            states = [dict(part.split("=", 1) for part in value.split(","))
                      for name, value in facts().items() if re.fullmatch(r"slave\d+", name)]
            have = [s for s in states if s["state"] == "online" and int(s["offset"]) >= wanted]
            return len(have) >= replicas
        wait_until(replicated, "replicas have what was written")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop_answering(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def forget(self):
        """What is on the disk; to be called while it is down."""
        for path in self.directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == ".rdb":
                path.unlink()

    def set_option(self, name, value):
        self.command("CONFIG", "SET", name, value)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Sentinels:
    """One primary, two replicas and three sentinels, for the first of which the primary is gone when
    it has said nothing for `down_after_ms`."""

    def __init__(self, down_after_ms=500, **options):
        self.primary = RedisServer(**options)
        self.replicas = [RedisServer(replicaof="127.0.0.1 %d" % self.primary.port, **options)
                         for _ in range(2)]
        self.servers = [self.primary, *self.replicas]
        self.sentinels = []
        for i in range(3):
            sentinel = RedisServer(arguments=["--sentinel"])
            # One notices first, and the others vote for it: else each often votes for itself.
            sentinel.config = lambda s=sentinel, down_ms=down_after_ms * (i + 1): (
                "port %d\nbind 127.0.0.1\ndir %s\n"
                "sentinel monitor main 127.0.0.1 %d 1\n"
                "sentinel down-after-milliseconds main %d\n"
                "sentinel failover-timeout main 2000\n" % (s.port, s.directory, self.primary.port,
                                                           down_ms))
            self.sentinels.append(sentinel)

    @property
    def url(self):
        return "redis+sentinel://%s/main" % ",".join("127.0.0.1:%d" % s.port
                                                     for s in self.sentinels)

    def current(self):
        """The server that the first sentinel says is the primary."""
        port = self.sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").split()[-1]
        return next(s for s in self.servers if s.port == int(port))

    def __enter__(self):
        try:
            for server in [*self.servers, *self.sentinels]:
                server.start()
            for sentinel in self.sentinels:
                # Else they look for each other and for replicas only every few seconds. For the
                # periods' proportions see tests/redis/server_sets.cpp.
                sentinel.command("SENTINEL", "DEBUG", "INFO-PERIOD", 200, "PUBLISH-PERIOD", 500,
                                 "ASK-PERIOD", 200, "PING-PERIOD", 300)
            for sentinel in self.sentinels:
                wait_until(lambda s=sentinel: self.knows_all(s), "the sentinels know all")
        except BaseException:
            self.__exit__()
            raise
        return self

    def knows_all(self, sentinel):
        text = sentinel.command("SENTINEL", "MASTER", "main").split("\n")
        facts = dict(zip(text[::2], text[1::2]))
        return facts.get("num-slaves") == "2" and facts.get("num-other-sentinels") == "2"

    def __exit__(self, *_):
        for server in [*self.sentinels, *self.servers]:
            server.__exit__()


class Cluster:
    """Three primaries with a replica each."""

    SLOTS = 16384

    def __init__(self, **options):
        # A primary whose last slot is moved must not become a replica by itself.
        options = {"cluster_node_timeout": 1000, **options}
        self.servers = [RedisServer(cluster_enabled="yes",
                                    cluster_replica_validity_factor=0,
                                    cluster_allow_replica_migration="no", **options)
                        for _ in range(6)]

    @property
    def url(self):
        return "redis+cluster://%s" % ",".join("127.0.0.1:%d" % s.port for s in self.servers)

    def __enter__(self):
        try:
            self.create()
        except BaseException:
            self.__exit__()
            raise
        return self

    def create(self):
        for server in self.servers:
            server.start()
        done = subprocess.run(
            ["redis-cli", "--cluster", "create", *("127.0.0.1:%d" % s.port for s in self.servers),
             "--cluster-replicas", "1", "--cluster-yes"],
            capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        wait_until(lambda: all("cluster_state:ok" in s.command("CLUSTER", "INFO")
                               for s in self.servers if s.process.poll() is None),
                   "the cluster is whole")

    def __exit__(self, *_):
        for server in self.servers:
            server.__exit__()

    def owner_of(self, key, living=None):
        """The primary that has the key's slot, if any has it at the moment, as `living` says."""
        living = living or next(s for s in self.servers if s.process.poll() is None)
        slot = int(living.command("CLUSTER", "KEYSLOT", key))
        for line in living.command("CLUSTER", "NODES").splitlines():
            words = line.split()
            if "master" not in words[2] or "fail" in words[2].split(","):
                continue
            for span in words[8:]:
                first, _, last = span.partition("-")
                if first.isdigit() and int(first) <= slot <= int(last or first):
                    port = int(words[1].partition("@")[0].rpartition(":")[2])
                    return next(s for s in self.servers if s.port == port)
        return None

    def node_id(self, server):
        return server.command("CLUSTER", "MYID")

    def move_slot(self, key, target):
        """As redis-cli --cluster reshard does, of one slot, key by key."""
        source = self.owner_of(key)
        slot = source.command("CLUSTER", "KEYSLOT", key)
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", self.node_id(source))
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.node_id(target))
        while True:
            keys = source.command("CLUSTER", "GETKEYSINSLOT", slot, 10).split()
            if not keys:
                break
            source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
            time.sleep(0.01)
        # The target first: should the source end before it hears of that, nobody had the slot.
        target.command("CLUSTER", "SETSLOT", slot, "NODE", self.node_id(target))
        for server in self.servers:
            if server.process.poll() is None:
                server.command("CLUSTER", "SETSLOT", slot, "NODE", self.node_id(target),
                               check=False)
        # Changes that follow each other faster than nodes hear of them can get the same epoch, and
        # then a node drops the keys that it has got.
        wait_until(lambda: all(self.owner_of(key, s) is target for s in self.servers
                               if s.process.poll() is None), "all nodes know who has the slot")
