# SPDX-License-Identifier: LGPL-2.1-or-later
# Create, shutdown and destroy of N members: domgrp against a loop of xl, in turn.
# Usage: life.sh N REPEATS
. /root/bench/lib.sh
n=$1 repeats=$2

configs g "$n"
ready() {
    i=1
    while [ "$i" -le "$n" ]; do
        lab-wait-ready "g$i" || return 1
        i=$((i + 1))
    done
}

r=0
while [ "$r" -lt "$repeats" ]; do
    timed create_domgrp domgrp create g.grp
    ready
    timed shutdown_domgrp domgrp shutdown -w g
    timed start_domgrp domgrp start g
    ready
    timed destroy_domgrp domgrp destroy g
    domgrp delete g

    timed create_xl each create g "$n"
    ready
    timed shutdown_xl each shutdown g "$n"
    each create g "$n"
    ready
    timed destroy_xl each destroy g "$n"
    r=$((r + 1))
done
