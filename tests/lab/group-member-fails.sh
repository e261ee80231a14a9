# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a member that cannot start: create is undone whole; start undoes what it started
# timeout: 300

make_guest db
make_guest web
make_guest mail "" 'disk = [ "format=raw, vdev=xvda, access=w, script=block-nowhere, target=mail" ]'
make_group shop db web mail

step "create is undone"
status=0
domgrp create shop.grp > out 2>&1 || status=$?
cat out
equal "$status" 3 "exit status of a create that failed and was undone"
expect grep -q mail out
for name in db web mail; do
    expect gone "$name"
done
refuse 'shop' domgrp info shop
equal "$(xl list | wc -l)" 2 "lines of xl list"

step "memory is checked before anything starts"
make_guest big
sed -i 's/^memory = .*/memory = 64000/' big.cfg
make_group large db web big
refuse 'big' domgrp create large.grp
equal "$(xl list | wc -l)" 2 "lines of xl list"

step "so are disks and kernels"
make_guest diskless "" 'disk = [ "phy:/dev/nowhere,xvda,w" ]'
make_group lacking db web diskless
refuse 'diskless of lacking needs /dev/nowhere, which this host has not' domgrp create lacking.grp
make_guest bare
sed -i 's/^kernel = .*/kernel = "none"/' bare.cfg
make_group bald db web bare
refuse "bare of bald needs $PWD/none, which this host has not" domgrp create bald.grp
equal "$(xl list | wc -l)" 2 "lines of xl list"

step "the same group without the fault"
make_guest mail
expect domgrp create shop.grp
shows '^shop .*running' domgrp list
