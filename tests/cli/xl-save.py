#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a small file as "xl save" writes it: xl-save.py NAME UUID PAGES.

Each letter of PAGES is a page of memory: z a zero page, any other one the same page wherever it is used.
"""
import hashlib
import json
import struct
import sys


def page(letter):
    if letter == "z":
        return bytes(4096)
    seeds = (hashlib.sha256(f"{letter}{i}".encode()).digest() for i in range(128))
    return b"".join(seeds)


def record(kind, body=b""):
    return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)


def libxc_stream(pages):
    head = struct.pack(">QIIHHI", 2 ** 64 - 1, 0x58454E46, 2, 0, 0, 0)
    domain = struct.pack("<IHHII", 1, 12, 0, 4, 17)
    data = struct.pack("<II", len(pages), 0) + b"".join(struct.pack("<Q", i) for i in range(len(pages)))
    return head + domain + record(1, data + b"".join(map(page, pages))) + record(0)


def main():
    name, uuid, pages = sys.argv[1:]
    config = json.dumps({"c_info": {"type": "pv", "name": name, "uuid": uuid}}).encode() + b"\0"
    data = struct.pack("<I", len(config)) + config
    out = sys.stdout.buffer
    out.write(b"Xen saved domain, xl format\n \0 \r" + struct.pack("<IIII", 0x01020304, 3, 0, len(data)) + data)
    out.write(struct.pack(">QII", 0x4C6962786C466D74, 2, 0) + record(1) + libxc_stream(pages) + record(0))


if __name__ == "__main__":
    main()
