# SPDX-License-Identifier: LGPL-2.1-or-later
# Save and restore of three members of 96 MiB against loops of xl, in turn, and how long members stand still for a
# checkpoint. What was written before is on the disk when a measurement begins. That xl's files are not when its loop
# ends, and ours is, is its advantage; sync_xl says what that would have taken.
# Usage: image.sh REPEATS
. /root/bench/lib.sh
repeats=$1 n=3

# members PREFIX: three guests' xl.cfg files, with memory of their own, and a group of them.
members() {
    local number
    for number in $(seq "$n"); do
        make_guest "$1$number" "lab.fill=4,$number"
    done
    configs "$1" "$n"
}

# each_file VERB PREFIX: `xl save` or `xl restore` of one guest after the other.
each_file() {
    local name
    for name in $(names "$2" "$n"); do
        case $1 in
            save) xl save "$name" "/mnt/$name.save" ;;
            restore) xl restore "/mnt/$name.save" ;;
        esac || return 1
    done
}

# cpu_ms: what dom0's processes, and the kernel for them, have used of the processor.
cpu_ms() {
    awk '/^cpu / { print ($2 + $3 + $4 + $7 + $8) * 10 }' /proc/stat
}

# step_of NAME COMMAND...: timed, when nothing else is to be done; and dom0's processor time of it.
step_of() {
    local before
    sync
    before=$(cpu_ms)
    timed "$@"
    echo "cpu_$1 $((($(cpu_ms) - before) * 1000000))"
}

# stills NAME: of each member of the checkpoint that last.out tells of.
stills() {
    local value
    for value in $(grep -o '"still_us" *: *[0-9]*' last.out | grep -o '[0-9]*$'); do
        echo "$1 ${value}000"
    done
}

# alive PREFIX: all have gone on, and wait for nothing.
alive() {
    verify $(names "$1" "$n") > verify.out || fail "$(cat verify.out)"
}

# dirty PAGES: the group's guests rewrite so many of their pages a second from now on.
dirty() {
    local name
    for name in $(names g "$n"); do
        ask "$name" "dirty=$1"
    done
}

members g
members x
each create x "$n"
all_ready x "$n"
for round in $(seq "$repeats"); do
    [ "$round" = 1 ] || step_of restore_xl each_file restore x
    alive x
    step_of save_xl each_file save x
    began=$(now)
    sync
    echo "sync_xl $(($(now) - began))"

    if [ "$round" = 1 ]; then
        domgrp create g.grp > last.out
        all_ready g "$n"
    else
        step_of restore_domgrp domgrp restore /mnt/g.image
        rm /mnt/g.image
    fi
    alive g
    dirty 50
    for live in "" --live; do
        step_of "checkpoint${live/--/_}" domgrp checkpoint --json $live g /mnt/g.image
        stills "still${live/--/_}"
        rm /mnt/g.image
        alive g
    done
    dirty 0
    step_of save_fast domgrp save --fast g /mnt/g.image
    step_of restore_fast domgrp restore /mnt/g.image
    rm /mnt/g.image
    alive g
    step_of save_domgrp domgrp save g /mnt/g.image
done
step_of restore_xl each_file restore x
each destroy x "$n"
step_of restore_domgrp domgrp restore /mnt/g.image
domgrp destroy g > last.out
