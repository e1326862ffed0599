# The words scenario scripts are written in. Lines that start with @@ are read by the harness (report.py).
#
# /lab/scenario sets GPU (the address to claim), OTHER (its neighbour), BEFORE (the expectation, "-" for no probe),
# CLIENT (`client`, `node_client` or `real_client`), CARD (QEMU's name for the GPU), DRIVER (the VFIO driver that a claim ends with),
# OPTIONS (for `claim`), GIVEN, MEANWHILE and FINALLY (words from here, from faults.sh and from own-modules.sh, run at
# those moments).

. /lab/scenario

vfio=/sys/bus/pci/drivers/$DRIVER
witness=/lab/vfio-client
[ $CLIENT != node_client ] || witness="$witness --node"

section() { echo "@@ $*"; }
saw() { echo "@@saw $*"; }

# expect SENTENCE COMMAND…
expect() {
    sentence=$1
    shift
    if "$@"; then echo "@@ok $sentence"; else echo "@@FAIL $sentence"; fi
}

# --- looking ---------------------------------------------------------------------------------------------------------

driver_of() { basename "$(readlink /sys/bus/pci/devices/$1/driver 2>/dev/null)"; }

# The memory BARs of a device as "start end", 16 digits each: comparable as strings, so that awk needs no arithmetic.
bars_of() {
    head -n 6 /sys/bus/pci/devices/$1/resource | awk '$1 != $2 && substr($3, length($3) - 2, 1) ~ /[2367abef]/ \
        { print substr($1, 3), substr($2, 3) }'
}

# claims inside|outside BARS-FILE: the lines of /proc/iomem within (or not within) the BARs, without bridges, PCI
# devices and what VFIO reserves for an open card (`vfio`, where VFIO maps by itself, or `vfio-pci`).
claims() {
    awk -v wanted=$1 '
        function padded(hex) { return substr("0000000000000000", length(hex) + 1) hex }
        NR == FNR { start[NR] = $1; end[NR] = $2; bars = NR; next }
        {
            line = $0
            sub(/^ +/, "", line)
            split(line, part, / : /)
            split(part[1], range, "-")
            name = substr(line, length(part[1]) + 4)
            if (name ~ /^PCI / || name ~ /^[0-9a-f]+:[0-9a-f]+:[0-9a-f]+\.[0-7]$/ || name == "vfio-pci" || name == "vfio") next
            where = "outside"
            for (i = 1; i <= bars; i++)
                if (padded(range[1]) >= start[i] && padded(range[2]) <= end[i]) where = "inside"
            if (where == wanted) print line
        }' "$2" /proc/iomem
}

# The names of the claims inside the GPU, outermost first, each once: "efifb", "BOOTFB>simpledrm", or "-".
framebuffer_of() {
    bars_of $1 >/run/bars
    names=$(claims inside /run/bars | sed 's/.* : //' | awk '!seen[$0]++' | tr '\n' '>')
    names=${names%>}
    echo "${names:--}"
}

# Every framebuffer that is not on the GPU: its claim, its platform device, the other display cards with their drivers.
# BARS-FILE holds the GPU's BARs as they were before the claim: a rescan may move them.
framebuffers_elsewhere() {
    claims outside $1 | grep -E ' : (efifb|vesafb|simplefb|simpledrm|efidrm|vesadrm|BOOTFB)$'
    for device in /sys/bus/pci/devices/*; do
        case $(cat $device/class) in
            0x03*) ;;
            *) continue ;;
        esac
        [ ${device##*/} = $GPU ] && continue
        echo "${device##*/} $(driver_of ${device##*/})"
        cat $device/resource
    done
}

# Everything a claim may change, to be compared as text.
state() {
    stat -c '%N' /sys/bus/pci/devices/*/driver /sys/bus/platform/devices/*/driver 2>/dev/null
    grep -H '' /sys/bus/pci/devices/*/driver_override /sys/bus/platform/devices/*/driver_override 2>/dev/null
    grep -H '' /sys/class/vtconsole/*/bind 2>/dev/null
    cat /proc/fb /proc/iomem
}

# same FILE COMMAND…: what COMMAND prints now is what FILE holds; else shows the difference.
same() {
    file=$1
    shift
    "$@" >/run/now
    cmp -s $file /run/now || { diff $file /run/now; return 1; }
}

# report_same: below a report of the machine, plan and status are the machine's.
report_same() {
    rm -rf /run/report
    mkdir /run/report
    expect "a report is written" apertured report --output /run/report/it.tar.gz
    (cd /run/report && gunzip -c it.tar.gz | tar -x)
    for words in "plan --json $GPU" "status --json"; do
        apertured $words >/run/machine
        expect "below the report, $words is the machine's" \
            same /run/machine apertured $words --root /run/report/apertured-report
    done
    cat /run/report/apertured-report/README
    saw report "$(cd /run/report/apertured-report && find . -type f | wc -l) files, $(wc -c </run/report/it.tar.gz) bytes"
}

show_consoles() { grep -H '' /sys/class/vtconsole/*/name /sys/class/vtconsole/*/bind; }

show_iomem() { grep -E 'PCI Bus|[0-9a-f]+:[0-9a-f]+\.[0-7]$|fb$|drm$|BOOTFB|vfio(-pci)?$' /proc/iomem; }

# --- by hand ---------------------------------------------------------------------------------------------------------

# What everyone's script does: no look at any framebuffer.
bind_by_hand() {
    echo $DRIVER >/sys/bus/pci/devices/$1/driver_override
    echo $1 >/sys/bus/pci/drivers_probe
}

unbind_by_hand() {
    echo $1 >$vfio/unbind
    # An empty write would leave the override as it is.
    echo >/sys/bus/pci/devices/$1/driver_override
}

# Unbinds the firmware's framebuffer, whatever drives it.
evict_by_hand() {
    for device in /sys/bus/platform/drivers/*-framebuffer/*-framebuffer.0; do
        echo ${device##*/} >${device%/*}/unbind
    done
}

# client NAME: runs the independent client and reports its verdict as NAME.
client() {
    $witness $GPU >/run/client 2>&1
    status=$?
    cat /run/client
    case $status in
        0) saw $1 mapped ;;
        1) if grep -q 'busy' /run/client; then saw $1 EBUSY; else saw $1 failed; fi ;;
        *)
            if grep -q 'not viable' /run/client; then
                saw $1 not-viable
            elif grep -q '^/dev/vfio/.*busy' /run/client; then
                saw $1 in-use
            else
                saw $1 setup-failed
            fi ;;
    esac
}

# node_client NAME: the same through the device's own node and an iommufd.
node_client() { client $1; }

# real_client NAME: the same question put to a real virtual machine monitor, which gets the card and runs until its
# firmware has printed all it has to say. It goes on without a mapping that it can't have, and the kernel then reports
# every single access: what they say decides, and the first such line ends the trial.
real_client() {
    rm -f /run/firmware
    # Read so far by the console: what comes from here on is about this trial.
    dmesg -c >/dev/null
    dmesg -n 5
    qemu-system-x86_64 -nodefaults -display none -vga none -machine q35 -accel tcg -m 64 \
        -device pcie-root-port,id=slot1,chassis=1 -device vfio-pci,host=$GPU,bus=slot1 \
        -chardev file,path=/run/firmware,id=firmware -device isa-debugcon,iobase=0x402,chardev=firmware \
        >/run/monitor 2>&1 &
    monitor=$!
    waited=0
    while [ $waited -lt 90 ] && kill -0 $monitor 2>/dev/null; do
        grep -q 'No bootable device' /run/firmware 2>/dev/null && break
        grep -q 'mmap' /run/monitor && break
        sleep 1
        waited=$((waited + 1))
    done
    kill $monitor 2>/dev/null
    wait $monitor
    dmesg -n 7
    head -n 3 /run/monitor | sed 's/^/qemu: /'
    tail -n 3 /run/firmware | sed 's/^/firmware: /'
    dmesg | grep "can't reserve" | head -n 1
    if grep -q 'mmap' /run/monitor || dmesg | grep -q "can't reserve"; then
        saw $1 EBUSY
    elif grep -q 'No bootable device' /run/firmware; then
        saw $1 mapped
    else
        saw $1 firmware-silent
    fi
}

# --- circumstances ---------------------------------------------------------------------------------------------------

# Keeps the framebuffer's device node open for so many seconds. Nothing else of it may stay open: the scenario ends when
# the last process has closed the report.
hold_framebuffer() {
    sleep $1 </dev/fb0 >/dev/null 2>&1 &
    holder=$!
    expect "a process holds /dev/fb0 open" [ -c /dev/fb0 ]
}

# The cards' native driver, whatever this kernel calls it, with a check that it took the card.
load_native() {
    modprobe bochs 2>/dev/null || modprobe bochs-drm
    expect "the native driver has the card" [ "$(driver_of $GPU)" = bochs-drm ]
}

# The native driver is loaded but has no card yet: it takes whatever appears next.
load_native_idle() {
    echo none >/sys/bus/pci/devices/$GPU/driver_override
    modprobe bochs 2>/dev/null || modprobe bochs-drm
    echo >/sys/bus/pci/devices/$GPU/driver_override
    expect "the native driver is loaded" [ -d /sys/bus/pci/drivers/bochs-drm ]
    expect "it does not have the card" [ -z "$(driver_of $GPU)" ]
}

# Loads modules for devices as they appear, as udev does on a full system.
autoload_modules() {
    printf '%s\n' '#!/bin/sh' '[ "$ACTION" = add ] && [ -n "$MODALIAS" ] && modprobe -q "$MODALIAS"' >/run/autoload
    chmod +x /run/autoload
    uevent /run/autoload >/dev/null 2>&1 &
}

# The card comes by hot-plug, into the first slot.
plug_card() {
    expect "the slot is empty" [ ! -e /sys/bus/pci/devices/$GPU ]
    echo "@@qmp device_add driver=$CARD id=gpu0 bus=port1 addr=00.0 $1"
    waited=0
    until [ -n "$(bars_of $GPU 2>/dev/null)" ] || [ $waited -ge 300 ]; do
        usleep 100000
        waited=$((waited + 1))
    done
    # Its BARs get their room one by one, and 7.x takes all back once to try again without the ROM.
    sleep 1
    expect "the card is there" [ -e /sys/bus/pci/devices/$GPU/driver_override ]
}

# Keeps the header of the card's configuration: the command register, the BARs.
keep_header() { header >/run/header; }
header() { od -A x -t x4 -N 64 /sys/bus/pci/devices/$GPU/config; }

# without_room: BAR 0 got none, as the kernel shows it: a row of zeros and no flag, at boot as after a hot-plug.
without_room() {
    expect "the row of BAR 0 is all zero" [ "$(head -n 1 /sys/bus/pci/devices/$GPU/resource | tr -d 'x 0')" = '' ]
    expect "BAR 2 has room" [ -n "$(bars_of $GPU)" ]
    last=$(dmesg | grep "$GPU: BAR 0 .*assign" | tail -n 1)
    expect "the kernel's last word on BAR 0: $last" [ "${last%: failed to assign}" != "$last" ]
    keep_header
    cat /run/header
}

# Only the nodes of the devices are left of VFIO's, as on a kernel without groups: what is made below /dev/vfio from now
# on, by the bind as well, is out of observation, but for the devices' own nodes.
without_groups() {
    expect "there is an iommufd" [ -c /dev/iommu ]
    mkdir -p /dev/vfio/devices /run/devices
    mount --bind /dev/vfio/devices /run/devices
    mount -t tmpfs tmpfs /dev/vfio
    mkdir /dev/vfio/devices
    mount --bind /run/devices /dev/vfio/devices
}

# count_calls FUNCTION: of the kernel, from now on, each with who called it.
count_calls() {
    mount -t tracefs tracefs /sys/kernel/tracing
    echo "p:lab/$1 $1" >/sys/kernel/tracing/kprobe_events
    echo 1 >/sys/kernel/tracing/events/lab/enable
    expect "calls of $1 are counted" [ -e /sys/kernel/tracing/events/lab/$1/enable ]
}

# watch_events: what happens to devices, from now on, in the kernel's own words.
watch_events() {
    printf '%s\n' '#!/bin/sh' 'echo "$ACTION $DEVPATH $DRIVER" >>/run/events' >/run/watch
    chmod +x /run/watch
    : >/run/events
    uevent /run/watch >/dev/null 2>&1 &
}

# load_for MODULE ADDRESS: a host driver for another function, with a check that it took it.
load_for() {
    modprobe $1
    expect "$2 has a host driver" [ -n "$(driver_of $2)" ]
}

# Waits for it: modules are loaded beside the claim, not by it.
expect_loaded() {
    waited=0
    until [ -d /sys/module/$1 ] || [ $waited -ge 50 ]; do
        usleep 100000
        waited=$((waited + 1))
    done
    expect "module $1 was loaded" [ -d /sys/module/$1 ]
}

expect_driver() { expect "$1 is bound to $2" [ "$(driver_of $1)" = $2 ]; }
