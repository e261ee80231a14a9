# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a probe that never succeeds, with the other policies: what needs the member is not tried, the rest is
# timeout: 400
# set: long

make_guest db "lab.ready=never"
make_group shop db web mail
cat >> shop.grp << END
after = [ "web: db" ]
ready = [ "db: xenstore data/ready=1 timeout=4" ]
END

# outcomes - of the newest task's members
outcomes() {
    domgrp task show "$(domgrp task list | awk 'NR == 2 { print $1 }')"
}

for policy in continue stop; do
    step "create --on-failure=$policy"
    status=0
    domgrp create --on-failure=$policy shop.grp > out 2>&1 || status=$?
    cat out
    equal "$status" 4 "exit status of a create that was done in part"
    outcomes > table
    cat table
    expect grep -Eq '^ *1 db +failed: it was not ready' table
    expect grep -Eq '^ *2 web +not tried' table
    expect grep -Eq '^ *1 mail +done' table
    shows '^shop .*partial' domgrp list
    expect running db
    expect running mail
    expect gone web
    expect domgrp destroy shop
    [ $policy = stop ] || expect domgrp delete shop
done

step "start rolls back by itself: what it had started is down again"
status=0
domgrp start shop > out 2>&1 || status=$?
cat out
equal "$status" 3 "exit status of a start that was undone"
for name in db web mail; do
    expect gone "$name"
done
shows '^shop .*stopped' domgrp list

step "a task is cancelled: its policy says what becomes of it"
sed -i 's/ timeout=4//' shop.grp
expect domgrp delete shop
domgrp create shop.grp > out 2>&1 &
both() { running db && running mail; }
wait_for 60 both
expect domgrp task cancel "$(domgrp task list | awk 'NR == 2 { print $1 }')"
! wait $! || fail "a create that was cancelled succeeded"
cat out
refuse shop domgrp list shop
equal "$(xl list | wc -l)" 2 "lines of xl list"
