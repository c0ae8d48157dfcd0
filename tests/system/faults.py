"""Disks that are too small, fail, are slow, or lose their power.

What the machine forbids (mounts, loop devices) skips the test, and the reason says so.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

CLONE_NEWNS = 0x00020000
EXT4_IOC_SHUTDOWN = 0x8004587D
EXT4_GOING_FLAGS_NOLOGFLUSH = 2


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest("%s: %s" % (" ".join(map(str, command)), done.stderr.strip()))


def own_mounts():
    """From now on what this process mounts is seen by it and its children alone, and goes with
    them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise unittest.SkipTest("no mounts of one's own: " + os.strerror(ctypes.get_errno()))
    run("mount", "--make-rprivate", "/")


class Mounted:
    """A file system in a directory of its own, until the end of the test."""

    def __init__(self, test, *arguments):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="ringmaster-mount-"))
        test.addCleanup(os.rmdir, self.path)
        self.arguments = arguments
        self.mount()
        test.addCleanup(self.umount)

    def mount(self):
        run("mount", *self.arguments, self.path)

    def umount(self):
        subprocess.run(["umount", self.path], check=True)

    def fill(self):
        """Leaves no room. Returns the file that takes it."""
        ballast = self.path / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(b"\1" * size) == size:
                        pass
        return ballast


def tiny_disk(test, size):
    return Mounted(test, "-t", "tmpfs", "-o", "size=%d" % size, "tmpfs")


def image(test, directory, size, *features):
    """An ext4 in a sparse file."""
    path = directory / "image"
    with open(path, "wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", "-F", *features, path)
    return Mounted(test, "-o", "loop,errors=continue", path)


def cut_power(path):
    """The file system does not write another byte, what it holds back included."""
    directory = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(directory, EXT4_IOC_SHUTDOWN, struct.pack("I", EXT4_GOING_FLAGS_NOLOGFLUSH))
    except OSError as error:
        raise unittest.SkipTest("the file system can't be shut down: %s" % error)
    finally:
        os.close(directory)


class Faults:
    """What the disk of a daemon does that is started with `environment`; see fault_shim.c."""

    FIELDS = ("write_errno", "write_at_most", "write_delay_ms", "sync_errno", "sync_delay_ms",
              "writes", "syncs", "syncs_under_way")

    def __init__(self, test):
        shim = os.environ.get("RINGMASTER_FAULT_SHIM")
        if shim is None:
            raise unittest.SkipTest("RINGMASTER_FAULT_SHIM does not say where the shim is")
        file = tempfile.NamedTemporaryFile(prefix="ringmaster-faults-")
        test.addCleanup(file.close)
        file.truncate(mmap.PAGESIZE)
        self.page = memoryview(mmap.mmap(file.fileno(), mmap.PAGESIZE)).cast("i")
        # AddressSanitizer wants to be the first library, but not where nothing of it is replaced.
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.environment = {"LD_PRELOAD": shim, "RINGMASTER_FAULTS": file.name,
                            "ASAN_OPTIONS": options}

    def __getattr__(self, field):
        return self.page[Faults.FIELDS.index(field)]

    def set(self, **fields):
        for field, value in fields.items():
            self.page[Faults.FIELDS.index(field)] = value

    def heal(self):
        self.set(write_errno=0, write_at_most=0, write_delay_ms=0, sync_errno=0, sync_delay_ms=0)


EIO, ENOSPC = errno.EIO, errno.ENOSPC
