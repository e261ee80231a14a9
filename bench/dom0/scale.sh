# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon's cost per member: time to create and destroy, and private memory, for each N; and xl's memory.
# Usage: scale.sh N...
. /root/bench/lib.sh
daemon=$(pidof domgrpd)

# Once before it counts: what the daemon keeps for its first operation is not a member's.
configs warm 2
domgrp create warm.grp
domgrp destroy warm
domgrp delete warm

for n; do
    configs "s$n-" "$n"
    before=$(private_kib "$daemon")
    timed "create_$n" domgrp create "s$n-.grp"
    echo "memory_kib_$n $(($(private_kib "$daemon") - before))"
    timed "list_$n" domgrp list
    timed "destroy_$n" domgrp destroy "s$n-"
    domgrp delete "s$n-"
done

configs x 1
start_guest x1 > /dev/null
for pid in $(pidof xl); do
    echo "memory_xl_kib $(private_kib "$pid")"
done
xl destroy x1
