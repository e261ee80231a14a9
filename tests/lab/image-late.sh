# SPDX-License-Identifier: LGPL-2.1-or-later
# about: guests that suspend only after their save has failed go on, by the daemon that asked them and by the next one
# timeout: 500
# set: long

image=$PWD/images/shop.img
mkdir images
make_guest db "lab.fill=4,1"
make_guest web "lab.fill=4,2"
make_guest mail "lab.fill=4,3"
make_group shop db web mail
expect domgrp create shop.grp
wait_ready db
wait_ready web
wait_ready mail

stands_still() { [[ $(domain_state "$1") == ???s* ]]; }
all_run() { domgrp list | grep -q '^shop .* 3/3 .*running'; }
released() { [ "$(grep -c . released)" -ge 2 ]; }

# hold NAME - its guest does nothing more when it has read that it is to suspend: it is slow, and then paused
hold() {
    expect xl sched-credit2 -d "$1" -c 1
    xenstore-watch -n 3 "/local/domain/$(domid "$1")/control/shutdown" > "$1.events" && xl pause "$1" &
    wait_for 10 grep -q . "$1.events" # the first tells nothing; then come the request, and its acknowledgement
}

# let_go NAME - it goes on with what it was asked for
let_go() {
    expect xl sched-credit2 -d "$1" -c 0
    expect xl unpause "$1"
}

step "two guests are late: the save fails, and the third goes on"
hold web
hold mail
refuse 'did not suspend' domgrp save shop "$image"
equal "$(ls -A images)" "" "what is left"
equal "$(domain_state web) $(domain_state mail)" "--p--- --p---" "states"
verify db

step "one suspends, and goes on"
xenstore-watch @releaseDomain > released &
watch=$!
wait_for 10 grep -q . released
let_go web
wait_for 60 released
kill $watch
verify web

step "the other suspends while there is no daemon: the next one lets it go on"
expect lab-daemon kill
let_go mail
wait_for 60 stands_still mail
expect lab-daemon start
verify mail
wait_for 10 all_run

step "and they can be saved"
expect domgrp save shop "$image"
expect domgrp restore "$image"
verify db web mail
