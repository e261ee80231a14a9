# SPDX-License-Identifier: LGPL-2.1-or-later
# Three Debian guests of one base (redis, nginx, exim) go to the other host and back, while they run: as a group, and
# each by `xl migrate`, one after the other, over the same network by the same ssh. Their disks are on both hosts.
# Usage: migrate.sh REPEATS
. /root/bench/lib.sh
. /root/bench/guests.sh
repeats=$1 guests=(redis nginx exim)

# leg KIND FROM TO - one way, measured by the host that has the guests
leg() {
    local words=(env "LAB_PATIENCE=$LAB_PATIENCE" bash /root/bench/migrate-leg.sh "$1" "$3" "${guests[@]}")
    if [ "$2" = h1 ]; then
        "${words[@]}"
    else
        ssh "$2" "${words[@]}"
    fi
}

answer() {
    local name
    for name in "${guests[@]}"; do
        wait_for 120 debian_answers "$name"
    done
}

ip addr add 10.1.0.1/24 dev xenbr0
for name in "${guests[@]}"; do
    debian_guest "$name"
done
# One after the other: at once they would take so long on one processor that systemd gave up on services.
make_group shop "${guests[0]}"
domgrp create shop.grp > last.out
debian_ready "${guests[0]}"
for name in "${guests[@]:1}"; do
    xl create -q "$name.cfg"
    debian_ready "$name"
    domgrp join shop "$name" > last.out
done
for _ in $(seq "$repeats"); do
    for kind in domgrp xl; do
        leg "$kind" h1 h2
        leg "$kind" h2 h1
        answer
    done
done
domgrp destroy shop > last.out
