# SPDX-License-Identifier: LGPL-2.1-or-later
# about: kill -9 of the daemon while it writes memory, when the image has its name, and while it destroys what it has saved
# timeout: 500

# The snapshot command says that all stand still, and lets nothing be written until it is let go on.
mkfifo still go
images=/mnt/tmp
image=$images/shop.img
mkdir $images

make_guest db "lab.fill=4,1"
make_guest web "lab.fill=4,2"
make_group shop db web
echo "snapshot = \"echo > $PWD/still; cat $PWD/go\"" >> shop.grp
expect domgrp create shop.grp
wait_ready db
wait_ready web
ask db dirty=20

newest() { domgrp task list | awk 'NR == 2 { print $1 }'; }
over() { ! domgrp task list | grep -Eq ' (running|queued) '; }
stand_still() { [[ $(domain_state "$1") == ???s* && $(domain_state "$2") == ???s* ]]; }
dead() { ! pidof domgrpd; }

save_until_still() {
    domgrp save shop $image > out 2>&1 &
    saving=$!
    read -r < still
    stand_still db web || fail "not all stand still"
}

killed() {
    wait_for 30 dead
    wait $saving || true
    cat out
}

# undone - the next daemon takes the save back
undone() {
    stand_still db web || fail "something has let them go on"
    expect lab-daemon start
    wait_for 60 over
    shows 'save +shop +failed' domgrp task list
    shows 'interrupted by the end of the daemon' domgrp task show "$(newest)"
    shows '^shop .* 2/2 .*running' domgrp list
    equal "$(ls -A $images)" "" "what is left"
    verify db web
}

# helper_of NAME - the process that sends that domain's memory
helper_of() {
    local id process
    id=$(domid "$1")
    for process in $(pidof libxl-save-helper); do
        ! tr '\0' ' ' < "/proc/$process/cmdline" | grep -Eq -- "--save-domain [0-9]+ [0-9]+ $id " || echo "$process"
    done
}

step "while memory is written: db's is, web's cannot be"
db_is_written() {
    local bytes
    bytes=$(domgrp task show --json "$(newest)" | sed -n 's/.*"memory_bytes" : \([0-9]*\).*/\1/p')
    [ "$bytes" -gt $((90 << 20)) ]
}
save_until_still
helper=$(helper_of web)
kill -STOP "$helper"
: > go
wait_for 60 db_is_written
kill -9 "$(pidof domgrpd)"
killed
kill -CONT "$helper"
wait_for 30 no_helper
undone

step "when the image has its name, and the journal does not say yet that it is complete"
save_until_still
strace -f -p "$(pidof domgrpd)" -o calls -P $images -e trace=fsync -e inject=fsync:signal=KILL 2> tracing &
wait_for 30 grep -q attached tracing
: > go
killed
[ -e $image ] || fail "there is no image"
undone

step "when the image is complete, and its members are being destroyed: finished"
# destroying NAME - libxl is in the middle of that, and waits for the lock that is held here
destroying() { ! xenstore-exists "/local/domain/$1/name"; }
save_until_still
db=$(domid db)
web=$(domid web)
exec {db_lock}> "/var/lib/xen/userdata-l.$db.$(uuid db).domain-userdata-lock"
exec {web_lock}> "/var/lib/xen/userdata-l.$web.$(uuid web).domain-userdata-lock"
flock $db_lock
flock $web_lock
: > go
wait_for 60 destroying "$db"
wait_for 60 destroying "$web"
kill -9 "$(pidof domgrpd)"
killed
exec {db_lock}>&- {web_lock}>&-
stand_still "$db" "$web" || fail "they were destroyed, or go on"
expect lab-daemon start
expect domgrp task wait "$(newest)"
shows 'save +shop +done' domgrp task list
shows 'the daemon was restarted meanwhile' domgrp task show "$(newest)"
shows '^shop .* 0/2 .*stopped' domgrp list
equal "$(xl list | wc -l)" 2 "lines of xl list"
equal "$(ls -A $images)" shop.img "what is there"
expect domgrp image verify $image

step "and restored"
expect domgrp restore $image
verify db web
