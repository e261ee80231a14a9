# SPDX-License-Identifier: LGPL-2.1-or-later
# about: guests of different sizes and dirty rates that are saved live side by side stop at the same time
# host: mem=2048 daemon=no
# timeout: 240

memory() {
    sed -i "s/^memory = .*/memory = $2/" "$1.cfg"
}

make_guest small "lab.fill=4 lab.dirty=20"
make_guest middle "lab.fill=40 lab.dirty=300"
make_guest large "lab.fill=80 lab.dirty=2000"
memory middle 128
memory large 192
start_guest small middle large

# save ours|stock - prints what lab-align does; its spread is in $spread, in whole milliseconds
save() {
    lab-align "$1" "$(domid small)" "$(domid middle)" "$(domid large)" | tee out || fail "lab-align $1"
    spread=$(sed -n 's/.*: spread \([0-9]*\).*/\1/p' out)
    verify small middle large
}

step "each when its own helper likes"
save stock
stock=$spread

step "together"
save ours
[ "$spread" -lt "$((stock / 4))" ] || fail "no closer together: $spread ms, stock $stock ms"
