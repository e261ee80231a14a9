# SPDX-License-Identifier: LGPL-2.1-or-later
"""A group that moves between two emulated hosts, what can go wrong on the way, and one judge of what has become of it."""

import re

from images import LabError

SCRIPT = "set -eu -o pipefail\n. /lab/scenario.sh\nmkdir -p /root/m && cd /root/m\n"

# The group's members have written to their memory since they booted: who has their memory can tell.
CREATE = """
make_guest db "lab.fill=8,1"
make_guest web "lab.fill=8,2"
printf 'name = "shop"\\nmembers = [ "db.cfg", "web.cfg" ]\\nafter = [ "web: db" ]\\n' > shop.grp
expect domgrp create shop.grp
"""
AGE = """
for name in db web; do
    wait_ready $name
    ask $name dirty=20
done
"""
YOUTH = "for name in db web; do ask $name dirty=0; done"

SETTLED = """
settled() {
    ! domgrp task list | grep -Eq ' (running|queued) ' &&
        { ! domgrp info shop > info 2>&1 || ! grep -q '^moves ' info; }
}
wait_for 150 settled
"""

# What is stopped in front of, and where in a migration that is. Without "live" memory goes over when members stand still.
MOMENTS = {
    "OFFER": "check", "ACCEPT": "check", "DATA live": "transfer", "DATA": "switch-over", "END": "switch-over",
    "READY": "commit", "COMMIT": "commit", "DONE": "activation", "FORGET": "settlement", "GONE": "settlement",
}
FAULTS = ("cut", "kill source", "kill destination", "power off source", "power off destination")
DATA = 2 * 1024 * 1024      # bytes of the image that have gone over by then


def outcome(moment, fault):
    """Who has the group afterwards, 0 the source, 1 the destination, and whether its memory is still there."""
    phase = MOMENTS[moment]
    if fault == "power off source":
        return (0, False) if moment not in ("READY", "COMMIT", "DONE", "FORGET", "GONE") else (1, True)
    if fault == "power off destination":
        return (0, True) if phase not in ("activation", "settlement") else (1, False)
    return (0, True) if phase not in ("activation", "settlement") and moment != "COMMIT" else (1, True)


def script(machine, text, timeout=240):
    result = machine.run("bash", "-c", SCRIPT + text, timeout=timeout)
    print(result.out, flush=True)
    return result.out


class Shop:
    """A group of two members; hosts[0] has it, and hosts[1] is where it goes next."""

    def __init__(self, hosts):
        self.hosts = list(hosts)
        for machine in hosts:
            machine.run("lab-link", "listen")

    def create(self):
        script(self.hosts[0], CREATE + AGE + YOUTH)

    def migrate(self, options=""):
        source, destination = self.hosts
        script(source, "expect domgrp migrate %s shop h%d" % (options, destination.number))
        self.hosts.reverse()
        self.judge(True)

    def judge(self, with_memory):
        """Each member has one domain, on hosts[0], that runs, with its memory; or none anywhere, as is known."""
        here, there = self.hosts
        script(there, "refuse 'no group shop' domgrp info shop; gone db || fail 'db is here, too'\n"
                      "gone web || fail 'web is here, too'; no_helper || fail 'a helper was left'\n"
                      'equal "$(xl list | wc -l)" 2 "lines of xl list"')
        if with_memory:
            script(here, "shows '^shop .* 2/2 .*running' domgrp list\n"
                         'for name in db web; do case $(domain_state $name) in *[psc]*) fail "$name does not run";; esac; done\n'
                         "verify db web\n"
                         "for name in db web; do shows 'dirtied [1-9]' guest_key $name data/lab/verify; done\n")
        else:
            script(here, "shows '^shop .* 0/2 .*stopped' domgrp list\n")
        script(here, "no_helper || fail 'a helper was left'\n"
                     'equal "$(xl list | wc -l)" %d "lines of xl list"' % (4 if with_memory else 2))

    def hold_at(self, moment):
        """Begins to move it, and stops in front of @moment."""
        source, destination = self.hosts
        rule = moment.replace(" live", "") + (" %d" % DATA if moment.startswith("DATA") else "")
        live = "--live" if moment.endswith(" live") else ""
        script(source, "rm -f /run/lab-tap.held; echo '%s' > /run/lab-tap.rule\n"
                       "trap 'cat migrate.out' EXIT\n"
                       "domgrp migrate -s lab-tap %s shop h%d > migrate.out 2>&1 &\n"
                       "wait_for 100 test -e /run/lab-tap.held" % (rule, live, destination.number))

    def break_at(self, moment, fault):
        """Begins to move it, stops in front of @moment, and lets @fault happen."""
        self.hold_at(moment)
        source = self.hosts[0]
        print("== %s" % fault)
        victim = self.hosts[fault.endswith("destination")]
        if fault.startswith("kill"):
            victim.run("lab-daemon", "kill")
        elif fault.startswith("power off"):
            victim.power_off()
        if source.alive():
            source.run("kill $(cat /run/lab-tap.held) 2> /dev/null; true")
        if fault.startswith("power off"):
            victim.boot()
            victim.run("lab-link", "listen")
        if fault != "cut":
            victim.run("lab-daemon", "start")

    def survive(self, moment, fault):
        """Moves it with @fault at @moment, awaits that all is settled, and judges."""
        print("==== %s (%s): %s" % (moment, MOMENTS[moment], fault), flush=True)
        self.break_at(moment, fault)
        for machine in self.hosts:
            script(machine, SETTLED)
        owner, with_memory = outcome(moment, fault)
        if owner == 1:
            self.hosts.reverse()
        self.judge(with_memory)
        if not with_memory:
            script(self.hosts[0], "expect domgrp start shop" + AGE + YOUTH)

    def begin_anew(self):
        for machine in self.hosts:
            print(machine.run("tail -n 60 /var/log/domgrpd.log; xl list; domgrp list; domgrp info shop", check=False).out)
            machine.run("lab-clean", check=False)
            machine.run("lab-daemon", "start")
        self.create()


def survive_all(hosts, cases):
    """Every case, (moment, fault), of which none may fail."""
    shop = Shop(hosts)
    shop.create()
    failures = []
    for moment, fault in cases:
        try:
            shop.survive(moment, fault)
        except LabError as error:
            reason = re.findall(r"^FAILED: (.*)$", str(error), re.M)
            failures.append("%s at %s: %s" % (fault, moment, reason[-1] if reason else str(error).splitlines()[0]))
            print("FAILED: %s\n%s" % (failures[-1], error), flush=True)
            shop.begin_anew()
    if failures:
        raise LabError("%d of %d cases failed: %s" % (len(failures), len(cases), "; ".join(failures)))
    print("%d cases: each member lives once, where it has to" % len(cases))
