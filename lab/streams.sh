# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Run in dom0 by `lab/lab streams`: saves real guests with xl to /mnt/streams, for tests that read such files. Guests
# have the least memory that boots. The host needs shadow paging (PV live migration) and an emulated SVM (PVH).

set -eu -o pipefail
. /lab/scenario.sh
mkdir -p /mnt/streams
cd "$(mktemp -d)"

# What `xl migrate` says to the receiver after the domain's stream.
printf 'domain is yours, you are cleared to unpause\0' > go-message
go_size=$(stat -c %s go-message)

# boot NAME MEMORY [WORDS [LINES]]
boot() {
    make_guest "$1" "${3-}" "${4-}"
    sed -i "s/^memory = .*/memory = $2/" "$1.cfg"
    start_guest "$1"
}

# capture_live NAME - by a live migration to this same host, which is what proves the stream complete
capture_live() {
    cat > receive <<END
#!/bin/sh
tee $PWD/sent | xl migrate-receive
END
    chmod +x receive
    expect xl migrate -s '' "$1" ./receive
    tail -c "$go_size" sent | cmp - go-message || fail "xl migrate ends its stream otherwise than known"
    head -c "-$go_size" sent > "/mnt/streams/$1.save"
    expect xl destroy "$1"
    rm sent
}

boot pv-live 80 "lab.fill=4,3 lab.dirty=300"
capture_live pv-live
boot pv-a 80 "lab.fill=4,1"
boot pv-b 80 "lab.fill=4,2"
boot pvh 96 "lab.fill=4,3" 'type = "pvh"'
for name in pv-a pv-b pvh; do
    expect xl save "$name" "/mnt/streams/$name.save"
done
