#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A way to a Unix socket that can be cut. Usage: cut.py SOCKET WAY COMMAND...

Runs COMMAND and takes connections at WAY to SOCKET meanwhile; when its standard input ends, or in place of the
answer number CUT_BEFORE if that is set, it cuts them all. Its exit status is COMMAND's.
"""
import os
import socket
import subprocess
import sys
import threading


class Way:
    def __init__(self, target, path):
        self.target = target
        self.connections = []
        self.answers = 0
        self.last = int(os.environ.get("CUT_BEFORE", "0"))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                here, there = self.listener.accept()[0], socket.socket(socket.AF_UNIX)
            except OSError:
                return    # cut
            there.connect(self.target)
            self.connections += [here, there]
            threading.Thread(target=self.hand_on, args=(here, there, False), daemon=True).start()
            threading.Thread(target=self.hand_on, args=(there, here, True), daemon=True).start()

    def hand_on(self, source, target, is_answer):
        try:
            while data := source.recv(65536):
                if is_answer and data.startswith(b"HTTP/"):
                    self.answers += 1
                    if self.answers == self.last:
                        self.cut()
                target.sendall(data)
        except OSError:
            pass    # cut

    def cut(self):
        for end in [self.listener] + self.connections:
            end.shutdown(socket.SHUT_RDWR)


def main():
    target, path, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    way = Way(target, path)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    if not way.last:
        sys.stdin.read()
        way.cut()
    status = process.wait()
    os.unlink(path)
    return status


if __name__ == "__main__":
    sys.exit(main())
