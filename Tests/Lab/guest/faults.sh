# The words for what goes wrong during and after a claim, and for the way back. Those that end a scenario say what came
# of it, as `then`: the first word is compared with the table.

# --- helpers ---------------------------------------------------------------------------------------------------------

# until_so SECONDS COMMAND…: waits for COMMAND to succeed.
until_so() {
    rounds=$(($1 * 10))
    shift
    until "$@" 2>/dev/null; do
        rounds=$((rounds - 1))
        [ $rounds -gt 0 ] || return 1
        usleep 100000
    done
}

absent() { [ ! -e $1 ]; }

# The claim stands in its wait: the framebuffer is unbound, and someone holds it open.
claim_waits() { until_so 60 grep -q ': wait: ' ${1:-/run/claim.err}; }

# apertured_exits STATUS ARGUMENTS…: runs it, shows what it says and keeps that in /run/said.
apertured_exits() {
    wanted=$1
    shift
    timeout 60 apertured "$@" >/run/said 2>&1
    got=$?
    sed 's/^/| /' /run/said
    expect "apertured $* exits $wanted (it was $got)" [ $got = $wanted ]
}

said() { expect "that said: $1" grep -q -e "$1" /run/said; }

end_holder() {
    kill $holder
    wait $holder 2>/dev/null
}

# expect_start [DETAIL]: the state of before the claim is there again, text for text, and no record is left.
expect_start() {
    if same /run/state state; then now=as-before; else now=drifted; fi
    expect "everything is as it was: links, overrides, consoles, framebuffers, iomem" [ $now = as-before ]
    expect "no record is left" [ -z "$(ls /run/apertured 2>/dev/null | grep -Ev '^(lock|counters)$')" ]
    saw then "$now$1"
}

# given_back WORDS…: the card is free, and what was said about the rest holds all of WORDS.
given_back() {
    for words in "$@"; do said "$words"; done
    expect "$GPU has no driver" [ -z "$(driver_of $GPU)" ]
    expect "its override is cleared" [ "$(cat /sys/bus/pci/devices/$GPU/driver_override)" = '(null)' ]
    expect "no record is left" [ -z "$(ls /run/apertured 2>/dev/null | grep -Ev '^(lock|counters)$')" ]
    # For the log: what exactly is not as it was.
    same /run/state state
}

# claim_again [then]: a new claim, proven by the client; `then` when that is what the scenario ends with.
claim_again() {
    apertured_exits 0 claim $GPU $OPTIONS
    expect_mapped $1
}

expect_mapped() {
    $CLIENT again
    if grep -q '^BAR 0: mapped' /run/client; then now=claimed; else now=unclaimed; fi
    expect "the client maps it" [ $now = claimed ]
    [ -z "$1" ] || saw $1 $now
}

# --- a claim that is killed ------------------------------------------------------------------------------------------

kill_waiting_claim() {
    { claim_waits && kill -9 $(pidof apertured); } >/dev/null 2>&1 &
}

# --- a claim that is cut short by its caller -------------------------------------------------------------------------

end_waiting_claim() {
    { claim_waits && kill -TERM $(pidof apertured); } >/dev/null 2>&1 &
}

# Whoever started it ignores SIGCHLD, and whoever reads what it says leaves after the first line: it goes on all the same,
# and what could not be said is status 1.
release_and_claim_unheard() {
    apertured_exits 0 release $GPU
    { (trap '' CHLD; exec timeout 60 apertured claim $GPU $OPTIONS 2>&1); echo $? >/run/unheard; } | head -n 1
    expect "a claim that nobody hears ends with 1 (it was $(cat /run/unheard))" [ "$(cat /run/unheard)" = 1 ]
    expect_mapped then
}

# --- what a kill left -------------------------------------------------------------------------------------------------

# The holder goes first: while it has the node open the framebuffer's claim can't come back, whoever binds it.
recover_from_kill() {
    expect "the kill left work behind" [ ! -e /sys/bus/platform/drivers/efi-framebuffer/efi-framebuffer.0 ]
    end_holder
    apertured_exits 0 recover
    said 'recovered'
    expect_start
    claim_again
}

# The same while the holder stays until later: bound again now, efifb would go on without its memory reserved.
recover_while_held() {
    apertured_exits 4 recover
    said 'framebuffer-held.*sleep (pid'
    back_with_last_close
}

# --- a claim that fails ----------------------------------------------------------------------------------------------

# The holder is still there; after its last close nothing may be missing, at the latest when recover was asked for it.
back_with_last_close() {
    show_iomem
    cat /proc/fb
    end_holder
    apertured_exits 0 recover
    expect_start
    claim_again
}

# failed_with_loss WORDS…: a claim that failed gave the card back, and named what could not be as it was.
failed_with_loss() {
    cp /run/claim.err /run/said
    given_back "$@"
    saw then less
}

# refused_for WORDS…: the refusal names each, and neither the configuration nor the record changed.
refused_for() {
    cp /run/claim.err /run/said
    for words in "$@"; do said "$words"; done
    expect "the card's configuration is as it was" same /run/header header
    expect "no record is left" [ -z "$(ls /run/apertured 2>/dev/null | grep -Ev '^(lock|counters)$')" ]
}

# align_bars ORDER: the next scan gives every BAR of the card that alignment, and that size at least. It is the kernel's
# own knob, and here a way to ask for more than there is.
align_bars() {
    echo "$1@$GPU" >/sys/bus/pci/resource_alignment
    expect "the kernel takes the alignment" grep -q "^$1@$GPU" /sys/bus/pci/resource_alignment
}

found_room_at_last() {
    tries=$(dmesg | grep "$GPU: BAR 2 .*assign" | sed 's/.*: //' | tr '\n' ' ')
    expect "the kernel failed first, and succeeded then: $tries" [ "${tries%failed to assign assigned }" != "$tries" ]
}

# undisturbed ADDRESS DRIVER: since watch_events, during which the GPU was removed and found again, the other function
# had that driver and no event.
undisturbed() {
    expect "the GPU's removal was seen" until_so 20 grep -q "^remove .*/$GPU \$" /run/events
    expect "and its return" until_so 20 grep -q "^bind .*/$GPU vfio-pci" /run/events
    sed 's/^/| /' /run/events
    expect "$1 had no event" [ -z "$(grep "/$1" /run/events)" ]
    expect_driver $1 $2
}

# --- a card that leaves the machine ----------------------------------------------------------------------------------

# The harness passes @@qmp lines on to QEMU: COMMAND NAME=VALUE… (stage.py).
pull_card_from_waiting_claim() {
    { claim_waits && echo "@@qmp device_del id=gpu0"; } 2>/dev/null &
}

put_card_back() {
    expect "the card is gone" absent /sys/bus/pci/devices/$GPU
    expect "the claim named what is lost" grep -q "$GPU is gone from the machine" /run/claim.err
    # Another model of the same class: QEMU 7.2 keeps the first one's memory by name, and aborts over a second of it.
    echo "@@qmp device_add driver=secondary-vga id=gpu1 bus=port1 addr=00.0"
    expect "the card is back" until_so 30 [ -e /sys/bus/pci/devices/$GPU/driver_override ]
    end_holder
    # The record of the claim that failed must not be in the way, whatever the card is now.
    claim_again then
}

# --- someone else ----------------------------------------------------------------------------------------------------

# A guest's place is taken by the client, which keeps the group open.
release_while_held() {
    hold_card
    apertured_exits 3 release $GPU
    said 'in-use'
    said "$holder"
    said 'vfio-client'
    expect "nothing was written" same /run/claimed state
    end_holder
    apertured_exits 0 release $GPU
    expect_start
}

# state_is STATES: what `status` says of the card, on vfio-pci; alternatives with \|.
state_is() {
    apertured_exits 0 status
    said "$GPU .* vfio-pci  *[0-9][0-9]*  *\\($1\\)"
}

# While the client has the card, whatever is asked for finds nothing to do and changes nothing. How its regions are named
# differs: see the log.
in_use() {
    show_iomem
    state_is 'claimed\|in use'
    apertured_exits 0 plan $GPU
    said 'nothing-to-do'
    apertured_exits 0 claim $GPU $OPTIONS
    said 'nothing to do, in use'
    said "vfio-client (pid $holder"
    expect "no framebuffer is seen in it" [ "$(framebuffer_of $GPU)" = - ]
    expect "nothing was written" same /run/claimed state
}

claimed_and_in_use() {
    hold_card
    in_use
    end_holder
    claim_again then
}

# In use before the claim, by somebody who has bound it by hand.
in_use_by_hand() {
    evict_by_hand
    bind_by_hand $GPU
    hold_card
    state_is 'vfio\|in use'
}

# A client has the card, as a guest would; the state of then is kept.
hold_card() {
    $witness $GPU hold 600 >/run/held 2>&1 &
    holder=$!
    expect "the client holds the card" until_so 20 grep -q '^holding' /run/held
    state >/run/claimed
}

# proven_through_node: the claim was, with a page table of its own attached; and no node of a group was there for it.
proven_through_node() {
    cp /run/claim.err /run/said
    said 'BAR 0: mapped .*\[iommufd\]'
    said 'BAR 2: mapped .*\[iommufd\]'
    expect "nothing was proven through a group" [ -z "$(grep '\[group\]' /run/said)" ]
    expect "the client's attachment is counted" grep -q '^ *vfio-client.*iommufd_device_attach' /sys/kernel/tracing/trace
    calls=$(grep -c '^ *apertured.*iommufd_device_attach' /sys/kernel/tracing/trace)
    expect "apertured attached the device (calls: $calls)" [ "$calls" -gt 0 ]
    expect "only the devices' nodes are there" [ "$(ls /dev/vfio)" = devices ]
    hold_card
    in_use
    apertured_exits 3 release $GPU
    said "vfio-client (pid $holder"
    end_holder
    release_to_start
}

# A user of the card that no look at /proc can find: the unbind waits in the kernel until it lets go.
release_hangs() {
    /lab/vfio-client $GPU hide 600 >/run/held 2>&1 &
    holder=$!
    expect "the client has the card, unseen" until_so 20 grep -q '^hiding' /run/held
    apertured_exits 1 release $GPU --write-deadline 5
    said "unbind-driver of $GPU"
    said 'has not returned for 5 s'
    said 'kernel stack: .*vfio_unregister_group_dev'
    stuck=$(sed -n 's/.*has not returned for 5 s (pid \([0-9]*\)).*/\1/p' /run/said | head -n 1)
    expect "the write's process is still there" [ -d /proc/${stuck:-none} ]
    # Whatever is asked for now, nothing is written to the card: a write would be stuck as well.
    apertured_exits 1 recover
    said "still stuck in the kernel (pid $stuck)"
    apertured_exits 1 release $GPU
    said "still stuck in the kernel (pid $stuck)"
    apertured_exits 0 status
    end_holder
    expect "the write comes back when the client ends" until_so 30 absent /proc/$stuck
    apertured_exits 0 recover
    expect_start
}

# bind_framebuffer_behind DRIVER DEVICE: what a script, or a module's load, does with a framebuffer nobody guards.
bind_framebuffer_behind() {
    echo >/sys/bus/platform/devices/$2/driver_override
    echo $2 >/sys/bus/platform/drivers/$1/bind
    expect "$2 is bound behind apertured's back" [ -e /sys/bus/platform/drivers/$1/$2 ]
    show_iomem
    apertured_exits 0 status
    said "$GPU.*blocked"
    apertured_exits 1 verify $GPU
    claim_again then
    expect "$2 is evicted again" absent /sys/bus/platform/drivers/$1/$2
}

# claim_beside [OPTIONS]: a second claim of the same card, started now.
claim_beside() {
    { timeout 100 apertured claim $GPU $1 >/run/beside.out 2>/run/beside.err; echo $? >/run/beside; } &
}

# Started before the scenario's own claim, and already waiting for the holder when that begins.
claim_beside_first() {
    claim_beside '--wait 60'
    expect "another claim is under way" claim_waits /run/beside.err
}

expect_beside() {
    expect "the other claim ends" until_so 60 [ -s /run/beside ]
    sed 's/^/| /' /run/beside.err /run/beside.out
    expect "the other claim exits 0 (it was $(cat /run/beside))" [ "$(cat /run/beside)" = 0 ]
    expect_mapped then
}

# --- the way back ----------------------------------------------------------------------------------------------------

release_to_start() {
    apertured_exits 0 release $GPU
    cat /proc/fb
    expect_start
}

# release_with_loss WORDS…: what cannot come back is named, each by one of WORDS; everything else is given back.
release_with_loss() {
    apertured_exits 0 release $GPU
    given_back "$@"
    if [ $got = 0 ]; then saw then less; else saw then failed; fi
}

# Processes of user space, and the descriptors that they have open.
# No pipes: the processes of one would be counted, or not, by which of them is there first.
processes() {
    for process in /proc/[0-9]*; do readlink $process/exe; done >/run/programs
    sort /run/programs
}
# Until nothing passing is among them: the kernel starts modprobe by itself, when VFIO is opened and at other times.
settle_processes() {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        processes >/run/once
        sleep 1
        same /run/once processes >/dev/null && return
    done
}
descriptors() {
    for process in /proc/[0-9]*; do ls $process/fd 2>/dev/null; done >/run/descriptors
    wc -l </run/descriptors
}

# repeatedly TIMES: release and claim, over and over; only the last round's words are shown.
repeatedly() {
    settle_processes
    processes >/run/processes
    open=$(descriptors)
    round=0
    wrong=0
    while [ $round -lt $1 ]; do
        round=$((round + 1))
        timeout 60 apertured release $GPU >/run/said 2>&1 || wrong=$((wrong + 1))
        same /run/state state || wrong=$((wrong + 1))
        [ $round -lt $1 ] || break
        timeout 60 apertured claim $GPU >/run/said 2>&1 || wrong=$((wrong + 1))
    done
    sed 's/^/| /' /run/said
    expect "$round rounds without drift (wrong: $wrong)" [ $wrong = 0 ]
    settle_processes
    expect "no process was left behind" same /run/processes processes
    now=$(descriptors)
    expect "no descriptor was left open (before $open, after $now)" [ $now = $open ]
    cat /proc/fb
    show_iomem
    expect_start ", $round times"
    claim_again
}

twenty_times() { repeatedly 20; }
