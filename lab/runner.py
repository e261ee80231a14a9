# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs scenarios in emulated hosts and reports them in TAP.

A scenario is one file: NAME.sh runs in a dom0 (lab/scenario.sh has its helpers), NAME.py defines
scenario(hosts) and runs here, with Host objects (lab/host.py). Its header says what it needs:

    # about: one line
    # host: smp=1 mem=2048 xen=domgrp hosts=1 dom0_mem=640 cpu=qemu64,+rdrand daemon=yes    (these are the defaults)
    # timeout: 120       (seconds, without booting)
    # set: long          (only `make test-all` runs it; others are in `make test`, too)

Scenarios that need the same hosts share booted ones, which are cleaned in between. Several jobs are processes that
take scenarios from one queue, each with hosts of its own.
"""

import glob
import importlib.util
import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import sys
import threading
import time
import traceback

import host
import images
from host import Host, Network
from images import LabError

SKIPPED = 77
DEFAULTS = {"smp": "1", "mem": "2048", "xen": "domgrp", "hosts": "1", "dom0_mem": "640", "cpu": "qemu64,+rdrand",
            "daemon": "yes"}
NUMBERS = ("smp", "mem", "hosts", "dom0_mem")
fork = multiprocessing.get_context("fork")    # jobs have what this process has built and locked


class Skip(Exception):
    """A Python scenario raises it when it cannot run here; its text says why."""


class Scenario:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        try:
            with open(path) as file:
                self.text = file.read()
        except OSError as error:
            raise LabError("%s: %s" % (path, error.strerror)) from None
        header = dict(re.findall(r"^# (about|host|timeout|set): *(.*)$", self.text, re.M))
        self.about = header.get("about", "")
        self.timeout = int(header.get("timeout", "120"))
        self.long = header.get("set") == "long"
        self.needs = dict(DEFAULTS)
        for word in header.get("host", "").split():
            key, _, value = word.partition("=")
            if key not in DEFAULTS or not value:
                raise LabError("%s: `# host:` knows no %s (but %s)" % (path, word, ", ".join(DEFAULTS)))
            self.needs[key] = value
        for key in NUMBERS:
            if not self.needs[key].isdigit():
                raise LabError("%s: %s=%s is no number" % (path, key, self.needs[key]))

    def host_key(self):
        """Scenarios with the same key can share hosts."""
        return tuple(value for key, value in sorted(self.needs.items()) if key != "daemon")


class Outcome:
    def __init__(self, scenario, verdict, seconds, log, reason=""):
        self.scenario, self.verdict, self.seconds, self.log, self.reason = scenario, verdict, seconds, log, reason


class Pool:
    """The hosts that are booted now; they all suit one kind of scenario."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.key = None
        self.hosts = []

    def hosts_for(self, scenario):
        if self.key != scenario.host_key():
            self.close()
            self.hosts = self._make(scenario)
            self.key = scenario.host_key()
        asleep = [machine for machine in self.hosts if not machine.alive()]
        for machine in asleep:
            machine.start_boot(fresh=True)
        for machine in asleep:
            machine.finish_boot()
        return self.hosts

    def _make(self, scenario):
        needs, count = scenario.needs, int(scenario.needs["hosts"])
        network = Network() if count > 1 else None
        return [Host("%s%d" % (self.prefix, number), mem=int(needs["mem"]), smp=int(needs["smp"]), xen=needs["xen"],
                     dom0_mem=int(needs["dom0_mem"]), cpu=needs["cpu"], net=network, number=number)
                for number in range(1, count + 1)]

    def clean(self, log):
        """Makes used hosts fit for the next scenario, by a new boot where nothing else helps."""
        for machine in self.hosts:
            try:
                if machine.alive():
                    machine.run("lab-clean", timeout=60)
            except LabError as error:
                log.write("# %s\n# it is booted anew\n" % str(error).replace("\n", "\n# "))
                machine.power_off()

    def close(self):
        for machine in self.hosts:
            machine.power_off()
        self.hosts, self.key = [], None


# Run by bash in dom0, with the patience and the scenario's file name as arguments.
WRAPPER = 'export LAB_PATIENCE=$1; cd /root/scenario; set -eu -o pipefail; . /lab/scenario.sh; . "./$2"'


def run_shell(scenario, machine, log):
    """Runs a .sh scenario in dom0; returns verdict and reason."""
    if scenario.needs["daemon"] == "yes":
        machine.run("lab-daemon start", timeout=60)
    machine.put(scenario.path, "/root/scenario/" + os.path.basename(scenario.path))
    result = machine.run(
        "bash", "-c", WRAPPER, "scenario", "%d" % host.PATIENCE, os.path.basename(scenario.path),
        timeout=scenario.timeout, check=False,
        on_output=lambda _, data: (log.write(data.decode(errors="replace")), log.flush()))
    if result.status == SKIPPED:
        return "skip", "".join(re.findall(r"^SKIP: (.*)$", result.out, re.M)[:1])
    if result.status:
        reasons = re.findall(r"^FAILED: (.*)$", result.err, re.M)
        return "fail", reasons[-1] if reasons else "exit status %d" % result.status
    return "pass", ""


class TimedOut(Exception):
    pass


def run_python(scenario, hosts, log):
    """Runs a .py scenario here, on the main thread because it may boot hosts; returns verdict and reason."""
    spec = importlib.util.spec_from_file_location(scenario.name.replace("-", "_"), scenario.path)
    module = importlib.util.module_from_spec(spec)

    def late(*_):
        raise TimedOut

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(int(scenario.timeout * host.PATIENCE))
    out, sys.stdout = sys.stdout, log
    try:
        spec.loader.exec_module(module)
        if scenario.needs["daemon"] == "yes":
            for machine in hosts:
                machine.run("lab-daemon start")
        module.scenario(hosts)
        return "pass", ""
    except Skip as reason:
        return "skip", str(reason)
    except TimedOut:
        log.write(traceback.format_exc())
        return "fail", "not done after %d s" % (scenario.timeout * host.PATIENCE)
    except (LabError, AssertionError, Exception) as error:    # noqa: BLE001 - whatever a scenario raises is its failure
        log.write(traceback.format_exc())
        return "fail", (str(error) or type(error).__name__).splitlines()[0]
    finally:
        sys.stdout = out
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def add_host_logs(hosts, log):
    for machine in hosts:
        if machine.alive():
            try:
                text = machine.run("tail -n 40 /var/log/domgrpd.log; xl list", check=False, timeout=10)
                log.write("---- %s: domgrpd.log, xl list\n%s%s" % (machine.name, text.out, text.err))
            except LabError as error:
                log.write("%s\n" % error)
        log.write("---- %s: consoles\n%s\n" % (machine.name, "\n".join(machine.xen_log().splitlines()[-40:])))


def run_one(scenario, pool):
    path = os.path.join(host.LOGS, "scenario-%s.log" % scenario.name)
    os.makedirs(host.LOGS, exist_ok=True)
    with open(path, "w") as log:
        hosts, started = [], time.monotonic()
        try:
            hosts = pool.hosts_for(scenario)
            started = time.monotonic()
            if scenario.path.endswith(".py"):
                verdict, reason = run_python(scenario, hosts, log)
            else:
                verdict, reason = run_shell(scenario, hosts[0], log)
        except LabError as error:
            log.write("%s\n" % error)
            verdict, reason = "fail", str(error).splitlines()[0]
        seconds = time.monotonic() - started
        if verdict == "fail":
            log.write("FAILED: %s\n" % reason)
            log.flush()
            add_host_logs(hosts, log)
        log.flush()
        pool.clean(log)
    return Outcome(scenario, verdict, seconds, path, reason)


def report(number, outcome):
    scenario = outcome.scenario
    line = "%s %d - lab/%s (%.1f s)" % ("not ok" if outcome.verdict == "fail" else "ok", number, scenario.name,
                                        outcome.seconds)
    if outcome.verdict == "skip":
        line += " # SKIP " + outcome.reason
    print(line, flush=True)
    if outcome.verdict != "fail":
        return
    print("# %s\n# log: %s" % (outcome.reason, os.path.relpath(outcome.log, images.TOP)))
    with open(outcome.log) as log:
        before = log.read().split("\n----")[0].splitlines()
    for text in before[-15:]:
        print("#   " + text)
    sys.stdout.flush()


def all_scenarios(with_long):
    """Paths of the scenarios in tests/lab."""
    paths = sorted(glob.glob(os.path.join(images.TOP, "tests", "lab", "*.sh")) +
                   glob.glob(os.path.join(images.TOP, "tests", "lab", "*.py")))
    return [path for path in paths if with_long or not Scenario(path).long]


def work(prefix, scenarios, queue, outcomes):
    """Takes scenarios' numbers from the queue until there are none, and sends each with its outcome."""
    pool = Pool(prefix)
    try:
        while (number := queue.get()) is not None:
            outcome = run_one(scenarios[number], pool)
            outcomes.send((number, outcome.verdict, outcome.seconds, outcome.log, outcome.reason))
    finally:
        pool.close()


class Job:
    """A process that does work(); it asks to end with the one that made it."""

    def __init__(self, prefix, scenarios, queue):
        self.outcomes, theirs = fork.Pipe(duplex=False)
        self.process = fork.Process(target=self._main, args=(prefix, scenarios, queue, theirs))
        self.process.start()
        theirs.close()

    @staticmethod
    def _main(*arguments):
        host.end_with_parent()
        try:
            work(*arguments)
        except KeyboardInterrupt:
            sys.exit(130)

    def end(self):
        self.process.terminate()
        self.process.join()


def outcomes_of(jobs, scenarios):
    """Each outcome as it comes, until all jobs have ended."""
    open_ones = [job.outcomes for job in jobs]
    while open_ones:
        for outcomes in multiprocessing.connection.wait(open_ones):
            try:
                number, *rest = outcomes.recv()
            except EOFError:
                open_ones.remove(outcomes)
                continue
            yield Outcome(scenarios[number], *rest)


def run(paths, prefixes):
    """Runs scenario files in as many jobs as there are prefixes, on hosts named prefix + number; prints TAP;
    returns the outcomes. Call from the main thread."""
    assert threading.current_thread() is threading.main_thread()
    # Those that need the same hosts together; of these the long ones first, so that the jobs end together.
    scenarios = sorted(map(Scenario, paths), key=lambda scenario: (scenario.host_key(), -scenario.timeout))
    with images.build_lock():
        images.dom0_initramfs()    # which the jobs then have
    queue = fork.SimpleQueue()
    for number in [*range(len(scenarios)), *[None] * len(prefixes)]:
        queue.put(number)
    print("1..%d" % len(scenarios), flush=True)
    jobs, outcomes = [], []
    try:
        for prefix in prefixes:
            jobs.append(Job(prefix, scenarios, queue))
        for outcome in outcomes_of(jobs, scenarios):
            outcomes.append(outcome)
            report(len(outcomes), outcome)
        for job in jobs:
            job.process.join()
    finally:
        for job in jobs:
            job.end()
    if len(outcomes) < len(scenarios):
        raise LabError("a job of this run ended early: %d of %d scenarios were run" % (len(outcomes), len(scenarios)))
    return outcomes
