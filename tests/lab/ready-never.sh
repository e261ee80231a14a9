# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a probe that never succeeds: create is undone, and says what the probe saw
# timeout: 200

make_guest db "lab.ready=never"
make_group shop db web
cat >> shop.grp << END
after = [ "web: db" ]
ready = [ "db: xenstore data/ready=1 timeout=4" ]
END

status=0
domgrp create shop.grp > out 2>&1 || status=$?
cat out
equal "$status" 3 "exit status of a create that failed and was undone"
expect grep -Eq 'db: it was not ready within 4 s \(xenstore data/ready=1\): .*data/ready' out
expect gone db
expect gone web
refuse shop domgrp list shop
equal "$(xl list | wc -l)" 2 "lines of xl list"
