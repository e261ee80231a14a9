#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the model of a migration, and that the check sees bugs.

Usage: check.py HEADER DIRECTORY model TRANSACTIONS   every state is looked at, every row of the table was done
       check.py HEADER DIRECTORY bugs                 a bug in each write, guard and rule is found
       check.py HEADER DIRECTORY bugs-long            so is one in each action, message and row; and what HARMLESS
                                                      calls harmless is

HEADER is engine/migration-table.h; DIRECTORY is for what is made on the way. Prints TAP; without spin the tests are
skipped.
"""
import os
import re
import shutil
import subprocess
import sys

import table

HERE = os.path.dirname(os.path.abspath(__file__))
MEMORY_KIB = 1900000
DEPTH = 200000


def read_harmless(path):
    """Bugs that are none: a regular expression -> why nothing goes wrong."""
    harmless, patterns = {}, []
    with open(path) as file:
        for line in file:
            if line.startswith("    "):
                harmless.update(dict.fromkeys(patterns, line.strip()))
                patterns = []
            elif line.strip() and not line.startswith("#"):
                patterns.append(line.rstrip("\n"))
    return harmless


HARMLESS = read_harmless(os.path.join(HERE, "harmless.txt"))


def run(command, directory, environment=None):
    """Exit status and output of a program with bounded memory."""
    done = subprocess.run(["sh", "-c", f'ulimit -v {MEMORY_KIB}; exec "$@"', "sh"] + command, cwd=directory,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(os.environ, **(environment or {})))
    return done.returncode, done.stdout


def give_up(why):
    print("Bail out! " + why.replace("\n", " "))
    sys.exit(1)


def build(rules, directory, defines):
    """The checker that spin makes of the model."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    for name in ("migration.pml", "bugs.h"):
        shutil.copy(os.path.join(HERE, name), directory)
    with open(os.path.join(directory, "table.pml"), "w") as file:
        file.write(table.promela(rules))
    for command in (["spin", "-DCHECKER"] + defines + ["-a", "migration.pml"],
                    ["cc", "-O1", "-w", "-DCOLLAPSE", "-DNOFAIR", "-o", "pan", "pan.c"]):
        status, output = run(command, directory)
        if status:
            give_up(f"{' '.join(command)}: {output}")


def search(directory, options, bug=""):
    """What was found, or None; and the checker's output. A search that is cut off is no search."""
    _, output = run(["./pan", f"-m{DEPTH}", "-x"] + options, directory, {"BUG": bug})
    found = re.search(r"^pan:\d+: (.*?) \(at depth \d+\)", output, re.M)
    if not found and ("errors: 0" not in output or "too small" in output or "not completed" in output):
        give_up(f"the search was cut off: {output}")
    return found and found[1], output


class Tap:
    def __init__(self, count):
        self.number = self.failed = 0
        print(f"1..{count}", flush=True)

    def line(self, good, text):
        self.number += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {text}", flush=True)


def check_model(rules, directory, transactions):
    build(rules, directory, ["-DSETTLES", "-DLATE", f"-DTRANSACTIONS={transactions}"])
    found, output = search(directory, ["-a", "-n", "-w22"])
    tap = Tap(2)
    states = re.search(r"(\d+) states, stored", output)[1]
    memory = re.search(r"([\d.]+)\s+total actual memory", output)[1]
    tap.line(not found, f"{transactions} transactions: {found or 'nothing goes wrong, and all comes to rest'}"
                        f" ({states} states, {memory} MB)")
    done = {int(number) for number in re.search(r"^rows done:(.*)", output, re.M)[1].split()}
    never = [name_of(row) for number, row in enumerate(rules.rows, 1) if number not in done]
    tap.line(not never, f"{len(done)} of {len(rules.rows)} rows of the table were done" +
             (": never " + ", ".join(never) if never else ""))
    return tap.failed


def name_of(row):
    return f"{row['side'].lower()} {row['state']} on {row['event']}"


def write_bugs(number, row):
    keep, before, after, last = (f"row_write {number} {i}" for i in range(4))
    if row["write"] != "KEEP":
        yield "no write", keep
    if row["write"] == "AFTER":
        yield "writes, then acts", before
    if row["write"] == "BEFORE" and row["action"] != "NOTHING":
        yield "acts, then writes", after
    if row["write"] == "BEFORE" and row["message"] not in ("SILENCE", "HANG_UP"):
        yield "says, then writes", last


def row_bugs(rules, number, row):
    if row["action"] != "NOTHING":
        yield "no action", f"row_action {number} 0"
    if row["message"] != "SILENCE":
        yield "no message", f"row_message {number} 0"
    yield "no row", f"row_at {rules.place(row['side'], row['state'], row['event'])} 0"


def start_bugs(rules):
    """Each state that must not start the group does so, or lets copies run that stand still."""
    spare = len(rules.rows) + 1
    actions = [name for name, _ in rules.actions]
    has = {(row["side"], row["state"]) for row in rules.rows if row["event"] == "START"}
    for side in table.SIDES:
        for index, state in enumerate(rules.names(side)):
            for kind, action in () if (side, state) in has else (("starts", "COLD_START"), ("lets run", "RESUME")):
                yield (f"{side.lower()} {state} on START: {kind}", f"row_at {rules.place(side, state, 'START')} {spare} "
                       f"row_next {spare} {index} row_action {spare} {actions.index(action)}")


def all_bugs(rules, with_rows):
    """(name, what to seed) of each bug in the table."""
    for number, row in enumerate(rules.rows, 1):
        kinds = list(write_bugs(number, row))
        if row["guard"] == "ALONE":
            kinds.append(("no guard", f"row_guard {number} 0"))
        if with_rows:
            kinds += row_bugs(rules, number, row)
        for kind, seed in kinds:
            yield f"{name_of(row)}: {kind}", seed
    yield from start_bugs(rules)


RULES = (("a message of another transaction is obeyed", "only_ours 0 0"),
         ("a message out of an earlier connection is obeyed", "only_newest 0 0"),
         ("what is left of a connection is read when it has ended", "all_dropped 0 0"))


def why_harmless(name):
    return next((why for pattern, why in HARMLESS.items() if re.fullmatch(pattern, name)), None)


def check_bugs(rules, directory, with_rows):
    bugs = list(all_bugs(rules, with_rows))
    looked_for = [bug for bug in bugs if with_rows or not why_harmless(bug[0])]
    tap = Tap(len(looked_for) + len(RULES))
    build(rules, directory, ["-DTRANSACTIONS=1"])
    for name, seed in looked_for:
        found, _ = search(directory, ["-n", "-w18"], seed)
        why = why_harmless(name)
        tap.line(bool(found) != bool(why), f"{name}: {found or why or 'nobody notices'}")
    build(rules, directory, ["-DLATE"])
    for name, seed in RULES:
        found, _ = search(directory, ["-n", "-w20"], seed)
        tap.line(found, f"{name}: {found or 'nobody notices'}")
    print(f"# {len(looked_for)} bugs in the table, {len(bugs) - len(looked_for)} harmless ones not looked for")
    return tap.failed


def main():
    header, directory, mode = sys.argv[1:4]
    if not shutil.which("spin"):
        print("1..0 # SKIP spin is not installed (packaging/install-deps test)")
        return 0
    rules = table.Table(header)
    if mode == "model":
        failed = check_model(rules, directory, sys.argv[4])
    else:
        failed = check_bugs(rules, directory, mode == "bugs-long")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
