#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads engine/migration-table.h and writes what is made from it.

Usage: table.py HEADER promela             the arrays and constants that tests/model/migration.pml includes
       table.py HEADER document FILE [-w]  compares the tables in FILE (docs/migration.md) with HEADER; -w writes them

In a document a table stands between the lines `<!-- table NAME -->` and `<!-- end -->`. TAP comes out of a comparison.
"""
import re
import sys

SIDES = ("SOURCE", "DESTINATION")
COLUMNS = ("state", "event", "guard", "next", "write", "action", "message")
GUARDS = ("ALWAYS", "ALONE")
WRITES = ("KEEP", "BEFORE", "AFTER")
SPARE = 1  # rows behind the table's, for seeded bugs


def read_list(text, name):
    """The X(...) rows of one macro as lists of words; the last of a row may be a quoted sentence."""
    body = re.search(r"^#define %s\(X\)((?:.*\\\n)*.*\n)" % name, text, re.M)
    if not body:
        sys.exit(f"table.py: no macro {name}")
    rows = re.findall(r'X\(([^"()]*)(?:"([^"]*)")?\)', body[1])
    return [[word.strip() for word in words.split(",") if word.strip()] + ([said] if said is not None else [])
            for words, said in rows]


class Table:
    def __init__(self, path):
        with open(path) as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        self.states = {side: read_list(text, f"MIGRATION_{side}_STATES") for side in SIDES}
        self.local = read_list(text, "MIGRATION_EVENTS")
        self.to = {"SOURCE": read_list(text, "MIGRATION_TO_SOURCE"),
                   "DESTINATION": read_list(text, "MIGRATION_TO_DESTINATION")}
        self.actions = read_list(text, "MIGRATION_ACTIONS")
        self.rows = [dict(zip(COLUMNS, row), side=side)
                     for side in SIDES for row in read_list(text, f"MIGRATION_{side}")]
        self.events = [row[0] for row in self.local + self.to["DESTINATION"] + self.to["SOURCE"]]
        self.messages = ["SILENCE", "HANG_UP"] + [row[0] for row in self.to["DESTINATION"] + self.to["SOURCE"]]
        self.check()

    def names(self, side):
        return [row[0] for row in self.states[side]]

    def width(self):
        return max(len(self.states[side]) for side in SIDES)

    def place(self, side, state, event):
        """Where the model looks for a row."""
        index = SIDES.index(side) * self.width() + self.names(side).index(state)
        return index * len(self.events) + self.events.index(event)

    def check(self):
        """What the C compiler cannot say of a table: each row makes sense on its side."""
        seen = set()
        for row in self.rows:
            side, other = row["side"], SIDES[1 - SIDES.index(row["side"])]
            key = (side, row["state"], row["event"])
            heard = [name for name, _ in self.local + self.to[side]]
            said = ["SILENCE", "HANG_UP"] + [name for name, _ in self.to[other]]
            never = {name for name, copies, _ in self.states[side] if copies == "NEVER"}
            if (key in seen or len(row) != len(COLUMNS) + 1 or row["event"] not in heard or row["message"] not in said
                    or row["state"] not in self.names(side) or row["next"] not in self.names(side)
                    or row["guard"] not in GUARDS or row["write"] not in WRITES
                    or row["action"] not in [name for name, _ in self.actions]):
                sys.exit(f"table.py: a bad row: {row}")
            if row["write"] != "KEEP" and row["next"] in never:
                sys.exit(f"table.py: {row['next']} is never written: {row}")
            seen.add(key)


def promela(table):
    """Constants and arrays; row 0 means that there is no row."""
    out = ["/* Made from engine/migration-table.h by tests/model/table.py. */"]
    define = lambda prefix, names: out.extend(f"#define {prefix}{name} {i}" for i, name in enumerate(names))
    width = table.width()
    for side in SIDES:
        define(side[0] + "_", table.names(side))
    define("E_", table.events)
    define("M_", table.messages)
    define("A_", [name for name, _ in table.actions])
    define("G_", GUARDS)
    define("W_", WRITES + ("LAST",))
    out += [f"#define STATES {width}", f"#define EVENTS {len(table.events)}", f"#define ROWS {len(table.rows) + 1}"]
    index = lambda names, key: [0] + [names.index(row[key]) for row in table.rows] + [0] * SPARE
    at = [0] * (2 * width * len(table.events))
    for number, row in enumerate(table.rows, 1):
        at[table.place(row["side"], row["state"], row["event"])] = number
    held = [copies == "HELD" for side in SIDES for _, copies, _ in
            (table.states[side] + [["", "", ""]] * width)[:width]]
    arrays = {
        "row_at": at,
        "row_event": index(table.events, "event"),
        "row_guard": index(GUARDS, "guard"),
        "row_write": index(WRITES, "write"),
        "row_action": index([name for name, _ in table.actions], "action"),
        "row_message": index(table.messages, "message"),
        "row_next": [0] + [table.names(row["side"]).index(row["next"]) for row in table.rows] + [0] * SPARE,
        "held_in": [int(value) for value in held],
    }
    for name, values in arrays.items():
        out.append(f"hidden byte {name}[{len(values)}] = {{ {', '.join(map(str, values))} }};")
    return "\n".join(out) + "\n"


def markdown(head, rows):
    return "\n".join(["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head)] + rows]) + "\n"


def transitions(table, side):
    """Rows of one side: what is done, in its order."""
    rows = []
    for row in table.rows:
        if row["side"] != side:
            continue
        write = [] if row["write"] == "KEEP" else [f"**write {row['next']}**"]
        action = [] if row["action"] == "NOTHING" else [row["action"].lower().replace("_", " ")]
        message = {"SILENCE": [], "HANG_UP": ["hang up"]}.get(row["message"], [f"say {row['message']}"])
        does = (action + write if row["write"] == "AFTER" else write + action) + message
        event = row["event"] + (" (alone)" if row["guard"] == "ALONE" else "")
        rows.append([row["state"], event, ", ".join(does) or "-", row["next"] if row["next"] != row["state"] else "="])
    return markdown(["state", "event", "does", "next"], rows)


def tables(table):
    copies = {"FREE": "yes", "HELD": "yes, and holds", "NEVER": "no"}
    made = {"actions": markdown(["action", "what it does"],
                                [[name.lower().replace("_", " "), said] for name, said in table.actions if said]),
            "events": markdown(["event", "what has happened"], table.local)}
    for side in SIDES:
        name = side.lower()
        made[f"{name} states"] = markdown(["state", "written", "meaning"],
                                          [[state, copies[kind], said] for state, kind, said in table.states[side]])
        made[f"to {name}"] = markdown(["message", "says"], table.to[side])
        made[f"{name} transitions"] = transitions(table, side)
    return made


def document(table, path, write):
    """Compares the tables of a document, or puts them in; returns the exit status."""
    with open(path) as file:
        text = file.read()
    made = tables(table)
    new = re.sub(r"(<!-- table (.*?) -->\n).*?(?=<!-- end -->)",
                 lambda found: found[1] + made.pop(found[2]), text, flags=re.S)
    if write:
        with open(path, "w") as file:
            file.write(new)
    print("1..2")
    print("ok 1 - the tables are those of the code" if write or new == text else
          "not ok 1 - the tables differ from the code: tests/model/table.py ... document ... -w writes them")
    print("not ok 2 - missing: " + ", ".join(made) if made else "ok 2 - no table is missing")
    return 1 if made or not (write or new == text) else 0


def main():
    table = Table(sys.argv[1])
    if sys.argv[2] == "document":
        return document(table, sys.argv[3], "-w" in sys.argv[4:])
    print(promela(table), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
