# SPDX-License-Identifier: LGPL-2.1-or-later
# about: by the host alone: saves and restores that are killed, have no room, lose a domain or meet a damaged image
# host: daemon=no
# timeout: 600
# set: long

image=$PWD/lab.img

still() {
    [[ $(domain_state "$1") == ???s* ]]
}

make_guest a "lab.fill=4,1"
make_guest b "lab.fill=4,2"
start_guest a b

step "killed while all stand still"
lab-image save --snapshot 'sleep 1000' "$image" a b &
saver=$!
wait_for 60 still a
wait_for 60 still b
kill -9 $saver
wait_for 30 no_helper
[ ! -e "$image" ] || fail "a file was left"
expect lab-image resume a b
verify a b

step "no room"
mkdir small
mount -t tmpfs -o size=2m none small
refuse 'FILE_UNREADABLE: .*No space left' lab-image save "$PWD/small/lab.img" a b
equal "$(ls -A small)" "" "what is left"
verify a b

step "a domain that goes meanwhile"
refuse 'failed: ' lab-image save --snapshot "xl destroy b" "$image" a b
gone b || fail "b is there"
verify a
no_helper || fail "a helper was left"
start_guest b

step "a restore that is cancelled"
expect lab-image save "$image" a b
refuse 'failed: CANCELLED' lab-image restore --cancel 300 "$image"
wait_for 30 gone a
wait_for 30 gone b
wait_for 30 no_helper

step "a damaged image"
cp "$image" damaged.img
size=$(stat -c %s damaged.img)
printf 'x' | dd of=damaged.img bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
refuse 'failed: IMAGE' lab-image restore "$PWD/damaged.img"
wait_for 30 gone a
wait_for 30 gone b

step "and the sound one"
expect lab-image restore "$image"
verify a b
