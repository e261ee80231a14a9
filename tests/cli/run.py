#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Command in, text out: runs the commands of a .test file against a daemon on a simulated host.

Usage: run.py DOMGRP DOMGRPD_SIM FILE. Prints TAP, one line a command.

    $ COMMAND       a line for sh, in the folder files/; "domgrp" reaches the test's daemon, "later"
                    does so in the background and puts into $TMP/later what it prints
    TEXT            what it prints, standard error too; "~ REGEX" stands for a line that matches
    % COMMAND       likewise, on a terminal; TEXT is what its screen shows at the end
    ? STATUS        its exit status, 0 if not said
    ! TEXT          of a command on a terminal: it is ended when this has been written to it
    @ LINE          told to the simulated host (domgrpd-sim.c)
    # ...           a comment

CPU times are T in what is compared, dates DATE, ids of tasks ID. With --write before DOMGRP the file is written anew with what
the commands print: read the difference before you believe it.
"""
import fcntl
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios

SHELL = """domgrp() { "$DOMGRP" --socket "$SOCKET" "$@"; }
later() { "$DOMGRP" --socket "$SOCKET" "$@" > "$TMP/later" 2>&1 & }
"""


class Daemon:
    def __init__(self, program, folder, name):
        self.socket = os.path.join(folder, "domgrpd.sock")
        self.log = open(os.path.join(folder, "log"), "w+")
        self.process = subprocess.Popen([program, self.socket, name], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)

    def tell(self, line):
        """Answered from the daemon's loop, so what came before has been done."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip() or "it has ended"
        except BrokenPipeError:
            answer = "it has ended"
        if answer != "ok":
            print(f"Bail out! the simulated host does not take \"{line}\": {answer}")
            raise SystemExit(1)

    def end(self):
        """True if it ended well, sanitizers and all."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.log.seek(0)
        for line in self.log:
            print("#", line.rstrip())
        return status == 0


class Step:
    def __init__(self, kind, text):
        self.kind, self.text = kind, text  # "$", "%", "@" or "#" (a comment or an empty line)
        self.wanted, self.status, self.until = [], 0, None


def read(path):
    steps = []
    for line in path.read_text().splitlines():
        last = steps[-1] if steps else None
        if line[:2] in ("$ ", "% ", "@ "):
            steps.append(Step(line[0], line[2:]))
        elif line[:1] == "#" or (not line and (not last or last.kind not in "$%")):
            steps.append(Step("#", line))
        elif line.startswith("? "):
            last.status = int(line[2:])
        elif line.startswith("! "):
            last.until = line[2:]
        else:
            last.wanted.append(line)
    for step in steps:
        step.empty = 0
        while step.wanted and not step.wanted[-1]:
            step.wanted.pop()
            step.empty += 1
    return steps


def write(path, steps):
    with open(path, "w") as out:
        for step in steps:
            prefix = "" if step.kind == "#" else step.kind + " "
            print(prefix + step.text, file=out)
            for line in step.wanted:
                print(line, file=out)
            if step.until:
                print("!", step.until, file=out)
            if step.status:
                print("?", step.status, file=out)
            print("\n" * step.empty, end="", file=out)


def mask(line):
    line = re.sub(r"^time     [0-9]+\.[0-9] s$", "time     T s", line)
    line = re.sub(r"[0-9]{4}(-[0-9]{2}){2} ([0-9]{2}:){2}[0-9]{2}", "DATE", line)
    line = re.sub(r"\b(task( follow| +)? ?)[0-9a-f]{8}[0-9a-f-]*", r"\1ID", line)
    line = re.sub(r"^[0-9a-f]{8,36}(?= [a-z]+ .* %  )", "ID", line)
    return re.sub(r" +[0-9]+\.[0-9](?=$|  )", lambda m: "T".rjust(len(m.group())), line)


def line_matches(want, got):
    return re.fullmatch(want[2:], got) is not None if want.startswith("~ ") else want == got


def screen(text):
    """What a terminal shows after TEXT: knows new lines, cursor up, and clearing to the end."""
    rows, row = [""], 0
    for token in re.findall(r"\x1b\[[0-9]*[A-Z]|\r|\n|[^\x1b\r\n]+", text):
        if token == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif token[-1] == "A" and token[0] == "\x1b":
            row -= int(token[2:-1])
        elif token == "\x1b[J":
            del rows[row + 1:]
            rows[row] = ""
        elif token[0] not in "\r\x1b":
            rows[row] = token  # lines are drawn whole
    while rows and not rows[-1]:
        rows.pop()
    return rows


def run_on_terminal(command, until, folder, environment):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(["sh", "-c", SHELL + command], cwd=folder,
                               env=dict(environment, TERM="xterm"), stdin=subprocess.DEVNULL,
                               stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    text = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # EIO: the other end is closed
            break
        if not chunk:
            break
        text += chunk
        if until and until in text.decode(errors="ignore"):
            os.killpg(process.pid, signal.SIGTERM)
    os.close(ours)
    return [mask(line) for line in screen(text.decode())], process.wait(60)


def run(command, folder, environment):
    done = subprocess.run(["sh", "-c", SHELL + command], cwd=folder, env=environment, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return [mask(line) for line in done.stdout.decode().splitlines()], done.returncode


def check(step, folder, environment, rewrite):
    if step.kind == "$":
        lines, got = run(step.text, folder, environment)
    else:
        lines, got = run_on_terminal(step.text, step.until, folder, environment)
    good = (got == step.status and len(lines) == len(step.wanted) and
            all(map(line_matches, step.wanted, lines)))
    if not good and rewrite:
        step.wanted, step.status = lines, got
    elif not good:
        print(f"# wanted status {step.status}, got {got}; wanted:")
        print("".join(f"#   {line}\n" for line in step.wanted) + "# got:")
        print("".join(f"#   {line}\n" for line in lines), end="")
    return good


def has_terminals():
    try:
        for end in pty.openpty():
            os.close(end)
    except OSError:
        return False
    return True


def run_steps(steps, daemon, folder, files, rewrite):
    """The number of commands and of those that failed."""
    number, failed, terminals = 0, 0, has_terminals()
    environment = dict(os.environ, DOMGRP=sys.argv[-3], SOCKET=daemon.socket, TMP=folder,
                       LC_ALL="C.UTF-8", TZ="UTC")
    for step in steps:
        if step.kind == "@":
            daemon.tell(step.text)
        if step.kind not in "$%":
            continue
        number += 1
        title = step.text.replace("#", "")
        if step.kind == "%" and not terminals:
            print(f"ok {number} - {title} # SKIP no terminals here: is /dev/pts mounted?")
            continue
        good = check(step, files, environment, rewrite)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {title}", flush=True)
    return number, failed


def main():
    rewrite = sys.argv[1] == "--write"
    sys.argv[-3:] = [str(pathlib.Path(argument).resolve()) for argument in sys.argv[-3:]]
    sim, path = sys.argv[-2], pathlib.Path(sys.argv[-1])
    steps, ended = read(path), False
    with tempfile.TemporaryDirectory(prefix="domgrp-cli-") as folder:
        daemon = Daemon(sim, folder, path.stem)
        try:
            daemon.tell("go")
            number, failed = run_steps(steps, daemon, folder, path.parent / "files", rewrite)
        finally:
            ended = daemon.end()
    number, failed = number + 1, failed + (not ended)
    print(f"{'ok' if ended else 'not ok'} {number} - the daemon ends well")
    if rewrite:
        write(path, steps)
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
