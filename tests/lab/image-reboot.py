# SPDX-License-Identifier: LGPL-2.1-or-later
# about: the host loses its power between a suspend and the resume, and after a save: the groups come back with their memory
# timeout: 500
# set: long

PREPARE = """
. /lab/scenario.sh
mkdir -p /mnt/root/images && cd /mnt/root/images
rm -f *
make_guest db lab.fill=4,1
make_guest web lab.fill=4,2
make_group shop db
make_group lab web
expect domgrp create shop.grp
expect domgrp create lab.grp
wait_ready db
wait_ready web
expect domgrp suspend shop
expect domgrp save lab /mnt/root/images/lab.img
"""

CHECK = """
. /lab/scenario.sh
shows '^shop .* suspended' domgrp list
expect domgrp resume shop
expect domgrp restore /mnt/root/images/lab.img
verify db web
"""


def scenario(hosts):
    machine, = hosts
    machine.run("bash", "-c", "set -eu -o pipefail\n" + PREPARE, timeout=250)
    machine.power_off()
    machine.boot()
    machine.run("lab-daemon", "start")
    print(machine.run("bash", "-c", "set -eu -o pipefail\n" + CHECK, timeout=200).out)
