"""Ports of the loopback interface for servers that are killed and come back to the same place.

Between the look at whether a port is free and the server's bind(), and while that is down, others
can take it. The kernel gives ports below ip_local_port_range to nobody who does not ask, and those
who ask are tests that run at the same time. So a test first takes an abstract Unix socket (unix(7))
that is named after the port, and keeps it as long as its process lives. The tests in C++ do the same
(redis/servers.cpp).
"""

import errno
import random
import socket

BLOCK = 20
SERVERS = range(10000, 20000, BLOCK)
REDIS = range(20000, 22700)
REDIS_BUS = 10000  # by so much the port of a cluster's bus is higher


def _claim(port):
    """Whether it is ours now, until this process ends."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind("\0ringmaster test port %d" % port)
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    claim.detach()
    return True


def _is_free(port):
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count=1):
    """The first of so many ports in a row, up to BLOCK."""
    assert count <= BLOCK
    while True:
        first = random.choice(SERVERS)
        if _claim(first) and all(map(_is_free, range(first, first + count))):
            return first


def free_redis_port():
    while True:
        port = random.choice(REDIS)
        if _claim(port) and _is_free(port) and _is_free(port + REDIS_BUS):
            return port
