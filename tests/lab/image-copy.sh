# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a copy of a checkpoint runs beside its original, with names, UUIDs, MAC addresses and disks of its own; the original goes back to it
# timeout: 400
# set: long

image=$PWD/shop.img

# make_disk FILE - prints the device that it is
make_disk() {
    local device
    truncate -s 1M "$1"
    device=$(losetup -f)
    losetup "$device" "$1"
    echo "$device"
}

# written FILE - what a guest has written to that disk
written() {
    head -n 1 "$1" | tr -d '\0'
}

disk=$(make_disk web.disk)
copy=$(make_disk copy.disk)
make_guest db "lab.fill=4,1"
make_guest web "lab.fill=4,2" "disk = [ \"phy:$disk,xvda,w\" ]
vif = [ \"bridge=xenbr0\" ]"
make_group shop db web
echo "snapshot = \"cat $PWD/web.disk > $copy && echo $copy\"" >> shop.grp
expect domgrp create shop.grp
wait_ready db
wait_ready web
ask db dirty=20
ask web disk=before

step "a checkpoint: the group runs on, and what its disk was is on the other one"
expect domgrp checkpoint shop "$image"
shows "$copy" domgrp image info "$image"
verify db web
ask web disk=after
equal "$(written web.disk) $(written copy.disk)" "after before" "the disks"

step "no second one of the same, and none that shares a disk"
refuse 'still has a domain' domgrp restore --disks-reverted "$image"
cat > shop2.map << END
name = "shop2"
members = [ "db: db2", "web: web2" ]
END
refuse "would write to the disk $disk of the original" domgrp restore --disks-reverted --map=shop2.map "$image"
echo "disks = [ \"web: $disk=$copy\" ]" >> shop2.map
refuse 'say --disks-reverted' domgrp restore --map=shop2.map "$image"
equal "$(xl list | wc -l)" 4 "lines of xl list"

step "a copy"
expect domgrp restore --disks-reverted --map=shop2.map "$image"
shows '^shop2 .* 2/2 .*running' domgrp list
verify db web db2 web2
ask web2 disk=own
equal "$(written web.disk) $(written copy.disk)" "after own" "the disks"
for key in device/vif/0/mac vm; do
    [ "$(guest_key web $key)" != "$(guest_key web2 $key)" ] || fail "both have $key $(guest_key web $key)"
done
expect domgrp destroy shop2

step "the original goes back, with its disk"
expect domgrp destroy shop
echo before > $disk
refuse 'say --disks-reverted' domgrp restore "$image"
expect domgrp restore --disks-reverted "$image"
verify db web
ask web disk=again
equal "$(written web.disk)" again "the disk"
