# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a group moves to another host and back, live and not, with its memory as it was; what is refused changes nothing
# host: hosts=2 mem=1536
# timeout: 600

PREPARE = """
make_guest db "lab.fill=8,1"
make_guest web "lab.fill=8,2"
printf 'name = "shop"\\nmembers = [ "db.cfg", "web.cfg" ]\\nafter = [ "web: db" ]\\n' > shop.grp
expect domgrp create shop.grp
wait_ready db
wait_ready web
"""

MIGRATE = "domgrp migrate -s lab-link --ready-timeout 120"


def script(machine, text, timeout=200):
    result = machine.run("bash", "-c", "set -eu -o pipefail\n. /lab/scenario.sh\nmkdir -p /root/m && cd /root/m\n" + text,
                         timeout=timeout)
    print(result.out)
    return result.out


def runs_on(here, there):
    """Each member has one domain, on `here`, with its memory as it was; the other host has nothing of the group."""
    script(here, "wait_for 30 running db; wait_for 30 running web\n"
                 "shows '^shop .* running' domgrp list\nverify db web\nno_helper || fail 'a helper was left'")
    script(there, "wait_for 30 gone db; gone web || fail 'web is on both hosts'\n"
                  "refuse 'no group shop' domgrp info shop\nno_helper || fail 'a helper was left'\n"
                  'equal "$(xl list | wc -l)" 2 domains')


def scenario(hosts):
    one, two = hosts
    for machine in hosts:
        machine.run("lab-link", "listen")
    script(one, PREPARE)

    print("== what is refused changes nothing")
    script(one, "refuse 'no group' %s nothing h2" % MIGRATE)
    script(one, "refuse 'h2: .*exit status 1' domgrp migrate -s false shop h2")
    script(one, "shows h2 %s --dry-run shop h2" % MIGRATE)
    script(two, "printf 'name = \"shop\"\\nmembers = [ \"x.cfg\" ]\\n' > shop.grp; make_guest x\n"
                "expect domgrp create shop.grp")
    script(one, "refuse 'h2: .*group shop already' %s shop h2" % MIGRATE)
    script(two, "expect domgrp destroy shop; expect domgrp delete shop")
    runs_on(one, two)

    print("== it moves")
    script(one, "expect %s shop h2" % MIGRATE)
    runs_on(two, one)

    print("== and back, live, while memory is rewritten")
    script(two, "ask db dirty=50; ask web dirty=50\nexpect %s --live shop h1" % MIGRATE)
    runs_on(one, two)
