# SPDX-License-Identifier: LGPL-2.1-or-later
# about: guests that take the time all along confirm that a group pause stops them at once
# host: smp=2
# timeout: 400
# set: long

members="a b c d"
for name in $members; do
    make_guest "$name" lab.stamp=20
done
make_group clock $members
expect domgrp create clock.grp
for name in $members; do
    wait_ready "$name" 120
done

# paused_by FILE PAUSE UNPAUSE: what the guests' stamps say of a pause. It has to be longer than any pause that the
# processors' other work makes.
paused_by() {
    $2 > /dev/null
    sleep 10
    $3 > /dev/null
    gaps_of $members > "$1"
    awk '$2 - $1 < 8e9 { exit 1 }' "$1" || fail "a guest ran while it was paused: $(cat "$1")"
}
loop() {
    local name
    for name in $members; do
        xl "$1" "$name"
    done
}

gaps_of $members > /dev/null   # those from when they started
step "two group pauses: each guest stops as long after its first stop as any other"
paused_by first "domgrp pause clock" "domgrp unpause clock"
paused_by second "domgrp pause clock" "domgrp unpause clock"
group=$(gaps_spread first second)
echo "stopped within $((group / 1000)) us"

step "a loop of xl pause: the guests stop one after the other"
paused_by third "loop pause" "loop unpause"
loop=$(gaps_spread first third)
echo "stopped within $((loop / 1000)) us"
[ $((group * 4)) -le "$loop" ] || fail "the group's pause ($group ns) is not far below the loop's ($loop ns)"
