# SPDX-License-Identifier: LGPL-2.1-or-later
# Start of nine members in three tiers against its critical path: the slowest chain of members, each from the beginning
# of its building to its being ready, without what it waited in between for others.
# Usage: order.sh REPEATS
. /root/bench/lib.sh
repeats=$1

make_group tiers a1 a2 a3 b1 b2 b3 c1 c2 c3
{
    echo 'after = [ "b1: a1", "b2: a2", "b3: a3", "c1: b1", "c2: b2", "c3: b3" ]'
    printf 'ready = [ '
    for name in a1 a2 a3 b1 b2 b3 c1 c2 c3; do
        printf '"%s: xenstore data/ready=1 timeout=300", ' "$name"
    done
    echo ']'
} >> tiers.grp
domgrp create tiers.grp

# clocked - puts before each line when it came, in hundredths of a second
clocked() {
    local line up
    while read -r line; do
        read -r up _ < /proc/uptime
        echo "${up/./} $line"
    done
}

# path - the critical path that the lines of `domgrp events` in the file events show
path() {
    awk '
        function own(name) { return built[name] - begun[name] + ready[name] - runs[name] }
        match($0, /(%|done): /) {
            n = split(substr($0, RSTART + RLENGTH), members, ", ")
            for (i = 1; i <= n; i++) {
                name = members[i]; sub(/ .*/, "", name)
                doing = members[i]; sub(/^[^ ]* /, "", doing)
                if (doing == "building") { if (!begun[name]) begun[name] = $1 }
                else if (begun[name] && !built[name]) built[name] = $1
                if ((doing == "starting" || doing ~ /^waiting until/) && !runs[name]) runs[name] = $1
                if (doing == "done" && !ready[name]) ready[name] = $1
            }
        }
        END {
            for (i = 1; i <= 3; i++) {
                chain = own("a" i) + own("b" i) + own("c" i)
                if (chain > longest) longest = chain
            }
            printf "order_path %d0000000\n", longest
        }' events
}

for _ in $(seq "$repeats"); do
    domgrp shutdown -w tiers
    domgrp events > >(clocked > events) &
    events=$!
    timed order_start domgrp start tiers
    kill $events
    wait $events || true
    path
done
