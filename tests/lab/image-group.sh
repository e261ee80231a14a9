# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a group is saved and restored, suspended and resumed, and its members' memory is as it was; xl restores what is taken out of an image, and what xl has saved becomes one
# timeout: 400

image=$PWD/shop.img

make_guest db "lab.fill=4,1"
make_guest web "lab.fill=4,2"
make_group shop db web
echo 'after = [ "web: db" ]' >> shop.grp
echo "snapshot = \"echo vg/\$DOMGRP_GROUP\"" >> shop.grp
expect domgrp create shop.grp
wait_ready db
wait_ready web
ask db dirty=20

step "saved: the members are gone, the image is whole"
expect domgrp save shop "$image"
gone db && gone web || fail "members are still there"
expect domgrp image verify "$image"
shows 'vg/shop' domgrp image info "$image"

step "restored, once"
expect domgrp restore "$image"
verify db web
expect domgrp shutdown -w shop
refuse 'disks' domgrp restore "$image"
expect domgrp restore --disks-reverted "$image"
verify db web

step "suspended and resumed"
expect domgrp suspend shop
shows '^shop .* suspended' domgrp list
expect domgrp resume shop
verify db web
expect domgrp destroy shop

step "its members as xl has them"
members=/mnt/tmp
expect domgrp image extract "$image" --all $members
for name in db web; do
    expect xl restore $members/$name.save
    rm $members/$name.save
done
verify db web

step "and what xl has saved as a group"
for name in db web; do
    expect xl save $name $members/$name.save
done
expect domgrp delete shop
expect domgrp image pack --name=packed $members/packed.img $members/db.save $members/web.save
expect domgrp restore $members/packed.img
shows '^packed .* 2/2 .*running' domgrp list
verify db web
