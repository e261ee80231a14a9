#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dependencies point one way: checks every #include of the tree against the table below.

Usage: layers.py TREE. Prints TAP, one line a part; exits with 1 if a part sees what it must not.
"""
import pathlib
import re
import sys

# A part may include its own headers, those of the parts named here, and system
# headers, except the ones that FOREIGN gives to other parts.
MAY_SEE = {
    "common": set(),
    "xendomgrp": {"hypervisor"},
    "groupfile": {"common"},
    "image": {"common"},
    "engine": {"common"},
    "wire": {"common", "engine"},
    "host/sim": {"common", "engine"},
    "host/xen": {"common", "engine", "image", "wire", "xendomgrp"},
    "store": {"common", "engine"},
    "lib": {"common", "groupfile"},
    "cli": {"common", "image", "lib"},
    "daemon": {"common", "engine", "groupfile", "host/xen", "store", "wire"},
}

# System headers that only these parts may include.
FOREIGN = {
    r"libxl(_\w+)?\.h|xenstore\.h|xenctrl\.h|xenguest\.h": {"host/xen"},
    r"libxlutil\.h": {"groupfile"},
    r"xencall\.h|xentoollog\.h|xen/.*": {"xendomgrp", "host/xen"},
    r"sqlite3\.h": {"store"},
    r"xxh\w+\.h": {"image", "wire"},
    r"zstd\.h|openssl/.*": {"image"},
    r"libsoup/.*": {"daemon", "lib"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def sources(tree, part):
    return sorted(p for p in (tree / part).rglob("*.[ch]") if p.is_file())


def owners(tree):
    """The header's name as it is included -> the part it belongs to."""
    table = {}
    for part in MAY_SEE:
        for path in sources(tree, part):
            if path.suffix == ".h":
                relative = path.relative_to(tree / part).as_posix()
                for name in {path.name, relative, relative.removeprefix("include/")}:
                    table.setdefault(name, set()).add(part)
    return table


def faults(tree, part, owner):
    for path in sources(tree, part):
        for kind, name in INCLUDE.findall(path.read_text()):
            where = f"{path.relative_to(tree)} includes {name}"
            parts = owner.get(name, set())
            if parts and part not in parts and not parts & MAY_SEE[part]:
                yield f"{where} of {', '.join(sorted(parts))}"
            for pattern, allowed in FOREIGN.items():
                if kind == "<" and re.fullmatch(pattern, name) and part not in allowed:
                    yield f"{where}, which belongs to {', '.join(sorted(allowed))}"


def main():
    tree = pathlib.Path(sys.argv[1])
    owner = owners(tree)
    failed = False
    print(f"1..{len(MAY_SEE)}")
    for number, part in enumerate(MAY_SEE, 1):
        found = list(faults(tree, part, owner))
        if not sources(tree, part):
            found.append(f"{part} has no sources: is the table up to date?")
        failed = failed or bool(found)
        print(f"{'not ok' if found else 'ok'} {number} - {part} sees only what is below it")
        for line in found:
            print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
