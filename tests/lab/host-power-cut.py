# SPDX-License-Identifier: LGPL-2.1-or-later
# about: the host's power is cut in the middle of an operation: that is lost, and only what asks for it starts at boot
# timeout: 300

PREPARE = """
. /lab/scenario.sh
mkdir -p /tmp/cut && cd /tmp/cut
make_guest db lab.ready=never
make_group shop db web
echo 'after = [ "web: db" ]' >> shop.grp
echo 'ready = [ "db: xenstore data/ready=1" ]' >> shop.grp
make_group lab probe
echo 'on_boot = "start"' >> lab.grp
expect domgrp create lab.grp
expect domgrp create --on-failure=stop shop.grp > out 2>&1 &
wait_ready_to_wait() { domgrp task list | grep -E 'create +shop +running' && running db && running web; }
wait_for 60 wait_ready_to_wait
"""

CHECK = """
. /lab/scenario.sh
over() { ! domgrp task list | grep -Eq ' (running|queued) '; }
wait_for 90 over
domgrp task list | tee /tmp/tasks
id() { awk -v kind="$1" -v group="$2" '$2 == kind && $3 == group { print $1; exit }' /tmp/tasks; }
shows 'lost with the host' domgrp task show "$(id create shop)"
shows 'done' domgrp task show "$(id start lab)"
shows '^lab .* 1/1 .*running' domgrp list
wait_ready probe
gone db || fail "db was started at boot"
gone web || fail "web was started at boot"
equal "$(xl list | wc -l)" 3 "lines of xl list"
shows '^shop .* 0/2 .*stopped' domgrp list # its create stops at a failure, and keeps what is done
"""


def scenario(hosts):
    machine, = hosts
    machine.run("bash", "-c", "set -eu -o pipefail\n" + PREPARE, timeout=120)
    machine.power_off()
    machine.boot()
    machine.run("lab-daemon", "start")
    print(machine.run("bash", "-c", "set -eu -o pipefail\n" + CHECK, timeout=150).out)
