#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library exports what its headers declare, and nothing else.

Usage: symbols.py LIBRARY HEADER... Prints TAP.
"""
import re
import subprocess
import sys


def declared(paths):
    text = "".join(open(path).read() for path in paths)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"^\s*#(\\\n|.)*$", "", text, flags=re.M)
    text = re.sub(r"^G_DEFINE_AUTOPTR.*$", "", text, flags=re.M)
    return set(re.findall(r"\b(domgrp_\w+)\(", text))


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    names = {line.split()[2].split("@")[0] for line in lines if line.split()[1] in "TDBRW"}
    return {name for name in names if not re.match(r"__(asan|ubsan|odr|lsan)|_init$|_fini$", name)}


def main():
    want, got = declared(sys.argv[2:]), exported(sys.argv[1])
    print("1..2")
    for number, (what, extra) in enumerate([("is exported that is declared", want - got),
                                            ("is declared that is exported", got - want)], 1):
        print(f"{'not ok' if extra else 'ok'} {number} - all {what}")
        for name in sorted(extra):
            print("#", name)
    return 1 if want != got or not want else 0


if __name__ == "__main__":
    sys.exit(main())
