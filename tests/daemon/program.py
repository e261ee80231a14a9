#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""domgrpd as a program: options, the lock, the reference, what it tells its service manager.

Usage: program.py DOMGRPD DOMGRPD_SIM API_MD. Prints TAP.
"""
import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

DOMGRPD, SIM, API = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])


def run(*arguments):
    done = subprocess.run([DOMGRPD, *arguments], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_reference(folder):
    """the reference in docs is what --methods prints"""
    status, out, _ = run("--methods")
    assert status == 0 and out == API.read_text(), "domgrpd --methods > docs/api.md"


def test_version(folder):
    """--version and --help"""
    status, out, _ = run("--version")
    assert status == 0 and out.startswith("domgrpd "), out
    status, out, _ = run("--help")
    assert status == 0 and "--socket-group" in out, out


def test_usage(folder):
    """wrong options are refused with status 2"""
    assert run("--nonsense") == (2, "", "domgrpd: Unknown option --nonsense\n")
    assert run("start") == (2, "", 'domgrpd: "start" is one word too many; domgrpd --help lists '
                                   'what it takes\n')
    status, _, err = run("--socket-group", "no such group", "--state-dir", folder)
    assert status == 2 and "there is no user group" in err, err


def test_lock(folder):
    """a second daemon ends, naming the holder and the lock"""
    lock = os.path.join(folder, "lock")
    with open(lock, "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        socket_path = os.path.join(folder, "socket")
        pathlib.Path(socket_path).touch()
        status, _, err = run("--state-dir", folder, "--socket", socket_path)
        assert os.path.exists(socket_path), "it removed what belongs to the first"
    assert status == 1, status
    assert err == (f"domgrpd: another domgrpd, process {os.getpid()}, holds {lock}; "
                   "stop it first\n"), err


def notifications(folder, address):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(address.replace("@", "\0"))
    manager.settimeout(60)
    process = subprocess.Popen([SIM, os.path.join(folder, "socket"), "notify"],
                               env=dict(os.environ, NOTIFY_SOCKET=address),
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    first = manager.recv(100)
    process.send_signal(signal.SIGTERM)
    second = manager.recv(100)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return first, second


def test_notify(folder):
    """the service manager hears of begin and end; SIGTERM ends the daemon well"""
    path = os.path.join(folder, "notify")
    assert notifications(folder, path) == (b"READY=1", b"STOPPING=1")
    assert notifications(folder, "@domgrp-" + str(os.getpid())) == (b"READY=1", b"STOPPING=1")


def main():
    tests = [value for name, value in sorted(globals().items()) if name.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory(prefix="domgrp-daemon-") as folder:
            try:
                test(folder)
                print(f"ok {number} - {test.__doc__}")
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"not ok {number} - {test.__doc__}\n# " + repr(error).replace("\n", " "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
