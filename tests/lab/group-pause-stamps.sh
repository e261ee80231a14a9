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

# paused_by PAUSE UNPAUSE: what the guests' stamps say of a pause, as "SPREAD STILL". It has to be longer than any pause
# that the processors' other work makes.
paused_by() {
    $1 > /dev/null
    sleep 10
    $2 > /dev/null
    gaps_of $members | gaps_spread
}
loop() {
    local name
    for name in $members; do
        xl "$1" "$name"
    done
}

gaps_of $members > /dev/null   # those from when they started
step "a group pause: all guests stand still together; what disturbs the stamps only adds to the spread"
least=
for _ in 1 2; do
    read -r spread still < <(paused_by "domgrp pause clock" "domgrp unpause clock")
    echo "last stamps within $((spread / 1000)) us, then all still for $((still / 1000000)) ms"
    [ "$still" -ge 8000000000 ] || fail "the guests stood still together for $still ns of a pause of 10 s"
    [ -n "$least" ] && [ "$least" -le "$spread" ] || least=$spread
done

step "a loop of xl pause: the guests stop one after the other"
read -r spread still < <(paused_by "loop pause" "loop unpause")
echo "last stamps within $((spread / 1000)) us, then all still for $((still / 1000000)) ms"
[ $((least * 4)) -le "$spread" ] || fail "the group's pause ($least ns) is not far below the loop's ($spread ns)"
