# SPDX-License-Identifier: LGPL-2.1-or-later
# Pauses as N guests see them that take the time all along: how far apart they stopped, compared with a first group pause
# (their clocks may differ), for group pauses and for loops of `xl pause`.
# Usage: stamps.sh N REPEATS
. /root/bench/lib.sh
n=$1 repeats=$2
members=$(names t "$n")

for name in $members; do
    make_guest "$name" lab.stamp=20
done
configs t "$n"
domgrp create t.grp
all_ready t "$n"

# paused FILE PAUSE UNPAUSE: what the guests say of that pause.
paused() {
    $2
    sleep 10
    $3
    gaps_of $members > "$1"
}

gaps_of $members > /dev/null
paused first "domgrp pause -q t" "domgrp unpause -q t"
for _ in $(seq "$repeats"); do
    paused again "domgrp pause -q t" "domgrp unpause -q t"
    echo "stamps_spread_domgrp $(gaps_spread first again)"
    paused again "each pause t $n" "each unpause t $n"
    echo "stamps_spread_xl $(gaps_spread first again)"
done
domgrp destroy t
domgrp delete t
