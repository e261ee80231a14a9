# SPDX-License-Identifier: LGPL-2.1-or-later
# about: readiness by a TCP connection, by a program and by a delay; nothing is ready before they say so
# timeout: 240
# set: long

make_group shop db web mail
cat >> shop.grp << END
after = [ "web: db", "mail: web" ]
ready = [ "db: tcp 127.0.0.1:5432 timeout=300", "web: exec $PWD/check web timeout=300", "mail: delay 2" ]
END
cat > check << 'END'
#!/bin/bash
echo "$@" >> "${0%/*}/checked"
[ -e "${0%/*}/good" ] || { echo "no queue yet" >&2; exit 7; }
END
chmod +x check

task() {
    domgrp task list | awk 'NR == 2 { print $1 }'
}
seen() {
    domgrp task show "$(task)" | grep -E "$1"
}

domgrp create shop.grp > out 2>&1 &
create=$!

step "a port on which nothing listens"
wait_for 60 seen '^ *1 db .*tcp 127.0.0.1:5432.*refused'
[ "$(domain_state web)" = "--p---" ] || gone web || fail "web runs though db is not ready: $(domain_state web)"
socat TCP-LISTEN:5432,bind=127.0.0.1,reuseaddr,fork /dev/null > /dev/null 2>&1 &
listener=$!

step "a program that fails"
wait_for 60 seen '^ *2 web .*exec .*status 7.*no queue yet'
kill $listener
[ "$(domain_state mail)" = "--p---" ] || gone mail || fail "mail runs though web is not ready: $(domain_state mail)"
touch good

step "a delay, and all is done"
status=0
wait $create || status=$?
cat out
equal "$status" 0 "exit status of create"
shows '^shop .*running' domgrp list
expect grep -q '^web$' checked
wait_ready mail
