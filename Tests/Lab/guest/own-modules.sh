# The words for scenarios with kernel modules of the lab's own: a driver that really hangs, a card that is dead, a
# variant driver of VFIO's. Their sources are in Tests/Lab/modules.

# --- a driver that cannot let go -------------------------------------------------------------------------------------

# load_gpu DRIVER: one of the drivers of modules/gpu.h gets the card. One that has no ids is told the card's. The
# firmware's framebuffer is ended before: a driver with a console of its own does so, and it would not come back under
# such a driver (which is what other scenarios are about).
load_gpu() {
    native=$1
    echo efi-framebuffer.0 >/sys/bus/platform/drivers/efi-framebuffer/unbind
    modprobe $native
    [ "$(driver_of $GPU)" = $native ] || echo '1234 1111' >/sys/bus/pci/drivers/$native/new_id
    expect "$native has the card" [ "$(driver_of $GPU)" = $native ]
}

# load_nvidia: the whole of nvidia's stack, as on a machine with a desktop that has computed once. No process needs it.
load_nvidia() {
    load_gpu nvidia
    # Where an administrator has them, and where they are found when the modules are loaded again.
    mkdir -p /etc/modprobe.d
    echo 'options nvidia_drm modeset=1 fbdev=1' >/etc/modprobe.d/nvidia.conf
    modprobe nvidia_drm
    modprobe nvidia-uvm
    expect "nvidia_drm and nvidia_uvm hold nvidia" [ -d /sys/module/nvidia/holders/nvidia_uvm ]
    expect "and nvidia_modeset does" [ -d /sys/module/nvidia_modeset/holders/nvidia_drm ]
    grep nvidia /proc/modules
}

parameter() { echo $3 >/sys/module/$1/parameters/$2; }

records() { ls /run/apertured 2>/dev/null | grep -Ev '^(lock|counters)$'; }

# stuck_in ACTION FUNCTION: the last apertured gave up waiting for a write that the kernel has not come back from, and
# said so. Sets `stuck`, the write's process.
stuck_in() {
    said "$1 of $GPU"
    said 'has not returned for 5 s'
    said "kernel stack: .*$2"
    stuck=$(sed -n 's/.*has not returned for 5 s (pid \([0-9]*\)).*/\1/p' /run/said | head -n 1)
    grep -E '^(Name|State)' /proc/${stuck:-none}/status
    expect "the write's process is in D state" grep -q '^State:.D' /proc/${stuck:-none}/status
    expect "there is a record" [ -n "$(records)" ]
}

# Of `state`, what can be read while the card's lock is held: `driver_override` waits for it as a write does.
state_beside() {
    stat -c '%N' /sys/bus/pci/devices/*/driver /sys/bus/platform/devices/*/driver 2>/dev/null
    grep -H '' /sys/bus/platform/devices/*/driver_override 2>/dev/null
    grep -H '' /sys/class/vtconsole/*/bind 2>/dev/null
    cat /proc/fb /proc/iomem
}

# Whatever is asked for now, nothing is written to the card: a write would be stuck as well.
nothing_more_is_written() {
    records >/run/kept-records
    state_beside >/run/stuck-state
    apertured_exits 1 recover
    said "still stuck in the kernel (pid $stuck)"
    apertured_exits 1 claim $GPU
    said "still stuck in the kernel (pid $stuck)"
    apertured_exits 1 release $GPU
    said "still stuck in the kernel (pid $stuck)"
    apertured_exits 0 status
    expect "nothing was written" same /run/stuck-state state_beside
    expect "the record is kept" same /run/kept-records records
    # Readers wait for the card's lock as well, and are given up; they write nothing.
    writing=$(grep -l kernfs_fop_write /proc/[0-9]*/stack | wc -l)
    expect "the first write is the only one that is stuck (stuck: $writing)" [ $writing = 1 ]
}

# comes_back COMMAND…: the driver is told to let go, and the write ends.
comes_back() {
    "$@"
    expect "the write comes back after: $*" until_so 30 absent /proc/$stuck
}

# The claim's unbind waits for a user of the card, which is a module.
claim_hangs() {
    cp /run/claim.err /run/said
    stuck_in unbind-driver gpu_remove
    expect "the driver says why" dmesg_says 'Attempting to remove device .* with non-zero usage count'
    nothing_more_is_written
    comes_back rmmod lab_gpu_user
    apertured_exits 0 recover
    expect_start
    claim_again
}

# The former driver's probe waits: the card has left VFIO by then.
release_hangs_in_probe() {
    parameter $native hold_probe Y
    apertured_exits 1 release $GPU --write-deadline 5
    stuck_in '.*' gpu_probe
    nothing_more_is_written
    comes_back parameter $native hold_probe N
    apertured_exits 0 recover
    expect_start
}

dmesg_says() { dmesg | grep -q "$1"; }

# --- nvidia's modules ------------------------------------------------------------------------------------------------

# The refusal names what holds the card and the commands that free it; they are run as they are printed.
as_printed() {
    cp /run/claim.err /run/said
    said 'nvidia_drm'
    said 'nvidia_uvm'
    expect "the driver still has the card" [ "$(driver_of $GPU)" = nvidia ]
    grep -oE '(modprobe -r|rmmod)( nvidia[a-z_-]*)+' /run/claim.err >/run/commands
    cat /run/commands
    expect "commands are printed" [ -s /run/commands ]
    sh -e /run/commands
    expect "they unload what holds the card" [ ! -d /sys/module/nvidia_modeset -a ! -d /sys/module/nvidia_uvm ]
    claim_again then
}

# The claim has unloaded the modules itself, as it was told to: a release loads them again.
modules_come_back() {
    for module in nvidia_drm nvidia_modeset nvidia_uvm; do
        expect "$module was unloaded" [ ! -d /sys/module/$module ]
    done
    release_to_start
    for module in nvidia_drm nvidia_modeset nvidia_uvm; do
        expect "$module is loaded again" [ -d /sys/module/$module ]
    done
    expect "nvidia_drm has the parameters it had" [ "$(cat /sys/module/nvidia_drm/parameters/modeset)" = Y ]
}

# --- a dead card -----------------------------------------------------------------------------------------------------

die() {
    modprobe lab_dead function=$GPU
    expect "the card's configuration reads all ones" [ "$(identity)" = ffffffff ]
}

come_to_life() {
    rmmod lab_dead
    expect "the card answers again" [ "$(identity)" = 11111234 ]
}

# Vendor and device, as the configuration space has them now; sysfs' `vendor` is what it read at the beginning.
identity() { hexdump -v -n 4 -e '1/4 "%08x"' /sys/bus/pci/devices/$GPU/config; }

# Asked for by its address: a card that VFIO has put to sleep is not read for a list.
expect_dead() {
    apertured_exits 0 status $GPU
    said "$GPU.*dead"
}

# A claim of a dead card was refused; of the same card alive again it is not.
refused_while_dead() {
    expect_dead
    come_to_life
    claim_again then
}

# The card dies while a client has it, and the client ends, which resets the card.
dies_in_use() {
    /lab/vfio-client $GPU hold 600 >/run/held 2>&1 &
    holder=$!
    expect "the client holds the card" until_so 20 grep -q '^holding' /run/held
    die
    apertured_exits 0 status
    end_holder
    expect_dead
    apertured_exits 1 verify $GPU
    said '0xff throughout'
    # A card that does not answer is not given to a driver of the host's; unless it answers again.
    apertured_exits 0 status
    come_to_life
    apertured_exits 0 verify $GPU
    release_to_start
}

# --- a variant driver ------------------------------------------------------------------------------------------------

# planned WORDS: the plan names them, before anything is done.
planned() {
    apertured_exits 0 plan $GPU
    said "$1"
    # Of a driver that has to be loaded first.
    expect "$DRIVER is not loaded yet" absent /sys/module/$DRIVER
}

# on_variant: somebody else has bound the card to the variant driver, after the framebuffer was gone.
on_variant() {
    echo efi-framebuffer.0 >/sys/bus/platform/drivers/efi-framebuffer/unbind
    modprobe $DRIVER
    bind_by_hand $GPU
    expect "the card is on $DRIVER" [ "$(driver_of $GPU)" = $DRIVER ]
    expect "the client maps it there" /lab/vfio-client $GPU
}

# left_alone: nothing was done, and the claim said that there was nothing to do.
left_alone() {
    expect "nothing was written" same /run/state state
    apertured_exits 0 claim $GPU
    said 'nothing to do'
    expect "the card stays on $DRIVER" [ "$(driver_of $GPU)" = $DRIVER ]
}
