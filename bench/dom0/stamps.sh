# SPDX-License-Identifier: LGPL-2.1-or-later
# A group pause as N guests see it that take the time all along: from the first guest's last stamp before it to the last
# guest's, and how long all stood still together; the same for a loop of `xl pause`.
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
gaps_of $members > /dev/null
for _ in $(seq "$repeats"); do
    domgrp pause -q t
    sleep 10
    domgrp unpause -q t
    gaps_of $members | stamps domgrp

    each pause t "$n"
    sleep 10
    each unpause t "$n"
    gaps_of $members | stamps xl
done
domgrp destroy t
domgrp delete t
