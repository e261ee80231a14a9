# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon's cost per member: time to create and destroy, and private memory, for each N, growing; and the memory of
# xl's background process. Guests stand still once they run, for booting they would want the processors.
# Usage: scale.sh N...
. /root/bench/lib.sh
daemon=$(pidof domgrpd)

# The daemon's private memory once it has given back what its last jobs took: threads without work end after 15 s.
settled_kib() {
    sleep 20
    private_kib "$daemon"
}

# Once before it counts: what the daemon keeps for its first operation is not a member's.
configs warm 2
domgrp create warm.grp
domgrp destroy warm
domgrp delete warm

for n; do
    configs "s$n-" "$n"
    before=$(settled_kib)
    timed "create_$n" domgrp create "s$n-.grp"
    domgrp pause "s$n-"
    memory=$(($(settled_kib) - before))
    echo "memory_kib_$n $memory"
    timed "list_$n" domgrp list
    timed "destroy_$n" domgrp destroy "s$n-"
    domgrp delete "s$n-"
done
echo "memory_kib_per_member $((memory / n))"

configs x 1
start_guest x1 > /dev/null
for pid in $(pidof xl); do
    echo "memory_kib_xl $(private_kib "$pid")"
done
xl destroy x1
