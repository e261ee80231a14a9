#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A way to a Unix socket that can be cut. Usage: cut.py SOCKET WAY COMMAND...

Runs COMMAND and takes connections at WAY to SOCKET meanwhile; when its standard input ends, it cuts them all.
Its exit status is COMMAND's.
"""
import os
import socket
import subprocess
import sys
import threading


def hand_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass    # cut


def serve(listener, target, connections):
    while True:
        try:
            here, there = listener.accept()[0], socket.socket(socket.AF_UNIX)
        except OSError:
            return    # cut
        there.connect(target)
        connections += [here, there]
        for ends in ((here, there), (there, here)):
            threading.Thread(target=hand_on, args=ends, daemon=True).start()


def main():
    target, way, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    connections = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(way)
        listener.listen()
        threading.Thread(target=serve, args=(listener, target, connections), daemon=True).start()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        sys.stdin.read()
        listener.shutdown(socket.SHUT_RDWR)
        for connection in connections:
            connection.shutdown(socket.SHUT_RDWR)
        status = process.wait()
    os.unlink(way)
    return status


if __name__ == "__main__":
    sys.exit(main())
