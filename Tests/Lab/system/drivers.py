"""Scenarios with kernel modules of the lab's own: a driver that really hangs, a card that is dead, a variant driver."""

from .expectations import TAKEN, WARNING, expect_active, record
from .guest import ADDRESS
from .trial import message, property_of, unit

CARD = {slot: f"/sys/bus/pci/devices/{ADDRESS[slot]}" for slot in (1, 2)}
PARAMETERS = "/sys/module/lab_gpu/parameters"
# By our own field: of a process that has ended before journald looks, journald does not know the unit.
STORY = f"journalctl -b --no-pager -q -o cat APERTURED_GPU={ADDRESS[2]}"
# Everything but the time is the unit's own. systemd waits twice for a process that it cannot kill.
SHORT = "[Service]\nTimeoutStopSec=20\n" + "".join(
    f"{setting}=\n{setting}=/usr/bin/apertured {command} --lock-wait 30 --write-deadline 5 %i\n" for setting, command in
    (("ExecStart", "guard"), ("ExecStop", "release --only-when-running"), ("ExecStopPost", "post-stop")))
DEADLINES = {"texts": {"systemd/system/apertured@.service.d/lab.conf": SHORT}}


def start_hangs(test):
    """The card's driver cannot let go: a start says where the kernel is and writes nothing more; later tries go on."""
    with test.boot(**DEADLINES) as guest:
        give_to_lab_gpu(test, guest)
        guest.run(f"echo 1 >{PARAMETERS}/users")
        started = guest.run(f"systemctl start {unit(2)}")
        test.expect("systemctl start fails", started.status != 0, started.text)
        process = expect_stuck(test, guest, "gpu_remove")
        tried = guest.until(f"[ $(systemctl show -P NRestarts {unit(2)}) -ge 1 ]", 60)
        test.expect("it is tried again", tried)
        test.expect("with the record kept", record(guest, 2))
        expect_one_write(test, guest)
        guest.run(f"echo 0 >{PARAMETERS}/users")
        test.expect("the write comes back", guest.until(f"[ ! -e /proc/{process} ]", 20))
        expect_told(test, guest, process, "gpu_remove")
        words = "still stuck in the kernel"
        refused = guest.until(f"{STORY} | grep -q '{words}'", 30)
        test.expect("a try in between said that the write was still stuck", refused)
        active = guest.until(f"systemctl is-active {unit(2)}", 90)
        test.expect("and a later try claims the card", active,
                    lambda: guest.text(f"systemctl status -l --no-pager {unit(2)}"))
        test.expect_driver(guest, 2, "vfio-pci")
        test.expect_mapped(guest, 2)
        test.saw["restarts"] = property_of(guest, 2, "NRestarts")


def stop_hangs(test):
    """The former driver's probe hangs at a stop: the stop ends, says so, and what is missing is done when asked for."""
    with test.boot(**DEADLINES) as guest:
        give_to_lab_gpu(test, guest)
        started = guest.run(f"systemctl start {unit(2)}")
        test.expect("systemctl start succeeds", started.status == 0, started.text)
        test.expect_driver(guest, 2, "vfio-pci")
        guest.run(f"echo Y >{PARAMETERS}/hold_probe")
        guest.run(f"systemctl stop {unit(2)}")
        process = expect_stuck(test, guest, "gpu_probe")
        test.expect_stays(guest, 2, "failed")
        test.expect("with a record", record(guest, 2))
        expect_one_write(test, guest)
        guest.run(f"echo N >{PARAMETERS}/hold_probe")
        test.expect("the write comes back", guest.until(f"[ ! -e /proc/{process} ]", 20))
        expect_told(test, guest, process, "gpu_probe")
        recovered = guest.run("apertured recover")
        test.expect("apertured recover does the rest", recovered.status == 0, recovered.text)
        test.expect_driver(guest, 2, "lab_gpu")
        test.expect("no record is left", not record(guest, 2))


def stop_beside_hang(test):
    """Beside a card whose driver hangs in the kernel, a healthy card's unit stops as it does alone, and status is told."""
    with test.boot() as guest:
        expect_active(test, guest)
        alone = seconds_of(guest, f"systemctl stop {unit(1)}")
        guest.run(f"systemctl start {unit(1)}")
        give_to_lab_gpu(test, guest)
        guest.run(f"echo 1 >{PARAMETERS}/users; (echo {ADDRESS[2]} >{CARD[2]}/driver/unbind) >/dev/null 2>&1 &")
        hangs = guest.until("grep -l gpu_remove /proc/[0-9]*/stack", 30)
        test.expect("the other card's unbind hangs", hangs)
        # The guard has its share of events, and of nothing that hangs.
        guest.run("sleep 3")
        test.expect("no process of the unit is stuck", guest.text(stuck_in(1)) == "", lambda: guest.text(stuck_in(1)))
        listed = seconds_of(guest, "apertured status >/run/status 2>&1")
        test.expect("status takes no longer than 12 s and what it takes alone", listed <= 15, f"{listed:.1f} s")
        row = guest.text(f"grep ^{ADDRESS[1]} /run/status")
        test.expect("and has the healthy card right", "vfio-pci" in row and "claimed" in row, row)
        beside = seconds_of(guest, f"systemctl stop {unit(1)}")
        test.expect("the stop takes no more than 3 s longer", beside <= alone + 3, f"{beside:.1f} s, alone {alone:.1f} s")
        test.expect_state(guest, 1, "inactive")
        test.expect("which is no failure", property_of(guest, 1, "Result") == "success")
        test.saw["stop"] = f"{beside:.1f} s, alone {alone:.1f} s"
        test.saw["status"] = f"{listed:.1f} s"
        guest.run(f"echo 0 >{PARAMETERS}/users")
        test.expect_driver(guest, 1, "bochs-drm")


def seconds_of(guest, command):
    """How long it takes, by the guest's clock."""
    times = guest.text(f"s=$(date +%s%N); {command}; e=$(date +%s%N); echo $s $e").split()[-2:]
    return (int(times[1]) - int(times[0])) / 1e9


def stuck_in(slot):
    """The words that list a unit's processes in D state."""
    group = f"/sys/fs/cgroup$(systemctl show -P ControlGroup {unit(slot)})/cgroup.procs"
    return f"for p in $(cat \"{group}\"); do grep -l '^State:.D' /proc/$p/status; done"


def dies_guarded(test):
    """A guarded card falls off its bus: told as a warning, the unit stays; and told when the card answers again."""
    with test.boot() as guest:
        expect_active(test, guest)
        pid = property_of(guest, 1, "MainPID")
        guest.run(f"modprobe lab_dead function={ADDRESS[1]}")
        identity = guest.text(f"od -An -N4 -tx4 {CARD[1]}/config").strip()
        test.expect("its configuration reads all ones", identity == "ffffffff", identity)
        # A card that dies says nothing: the guard sees it when it looks for another reason.
        guest.run(f"systemctl reload {unit(1)}")
        seen = guest.until(f"systemctl show -P StatusText {unit(1)} | grep -q 'dead'", 15)
        test.expect("the unit's status says that it is dead", seen, lambda: property_of(guest, 1, "StatusText"))
        told = guest.journal(f"_SYSTEMD_UNIT={unit(1)}", f"APERTURED_GPU={ADDRESS[1]}", f"PRIORITY={WARNING}")
        test.expect("the journal has a warning of it", [entry for entry in told if "dead" in message(entry)],
                    f"{[message(entry) for entry in told]}")
        test.expect_stays(guest, 1, "active")
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect("nobody has taken it", not guest.journal(f"MESSAGE_ID={TAKEN}", f"APERTURED_GPU={ADDRESS[1]}"))
        guest.run(f"rmmod lab_dead; systemctl reload {unit(1)}")
        sound = guest.until(f"systemctl show -P StatusText {unit(1)} | grep -q 'Claimed and proven'", 15)
        test.expect("alive again, it is claimed and proven", sound, lambda: property_of(guest, 1, "StatusText"))
        test.expect("by the same guard", property_of(guest, 1, "MainPID") == pid)
        test.expect_mapped(guest, 1)


def mappings_held(test):
    """Somebody's mappings are locked for as long as a file system keeps them waiting: whether that one has the card is not
    known, which is a refusal with its name and no hang; a guard goes on; and all is well when the lock is free again."""
    with test.boot() as guest:
        expect_active(test, guest)
        process = guest.text("sleep 3600 >/dev/null 2>&1 & echo $!")
        guest.run(f"modprobe lab_mappings process={process}")
        reader = guest.text(f"cat /proc/{process}/maps >/dev/null 2>&1 & echo $!; sleep 1")
        test.expect("a reader of its mappings hangs", guest.run(f"[ -e /proc/{reader} ]").status == 0)
        began = guest.uptime()
        refused = guest.run(f"apertured claim {ADDRESS[2]}")
        took = guest.uptime() - began
        test.saw["refused after"] = f"{took:.1f} s"
        test.expect("a claim is refused", refused.status == 3 and "holders-unknown" in refused.text, refused.text)
        test.expect("with the process's name", f"process {process} (sleep)" in refused.text, refused.text)
        test.expect("well before the walk's deadline", took < 10, f"{took:.1f} s")
        test.expect_driver(guest, 2, "bochs-drm")
        guest.run(f"systemctl reload {unit(1)}")
        test.expect_stays(guest, 1, "active")
        stopped = guest.run(f"systemctl stop {unit(1)}")
        test.expect("a stop does not hang", stopped.status == 0, stopped.text)
        test.saw["stop"] = property_of(guest, 1, "Result")
        # It is not known whether that process has the card.
        test.expect_driver(guest, 1, "vfio-pci")
        guest.run(f"rmmod lab_mappings; kill {process}")
        test.expect("the reader comes back", guest.until(f"[ ! -e /proc/{reader} ]", 20))
        released = guest.run(f"apertured release {ADDRESS[1]}")
        test.expect("then the card can be given back", released.status == 0, released.text)
        test.expect_driver(guest, 1, "bochs-drm")
        claimed = guest.run(f"apertured claim {ADDRESS[2]}")
        test.expect("and the other one can be claimed", claimed.status == 0, claimed.text)


def variant_at_boot(test):
    """The card's best VFIO driver is a variant: the unit loads it, claims with it and guards it; a stop undoes that."""
    with test.boot() as guest:
        expect_active(test, guest)
        test.expect_driver(guest, 1, "lab_vfio_pci")
        test.expect_mapped(guest, 1)
        test.expect("nobody has taken it", not guest.journal(f"MESSAGE_ID={TAKEN}", f"APERTURED_GPU={ADDRESS[1]}"))
        guest.run(f"systemctl kill -s KILL {unit(1)}")
        again = guest.until(f"[ $(systemctl show -P NRestarts {unit(1)}) = 1 ] && systemctl is-active {unit(1)}", 30)
        test.expect("a guard that is killed finds its claim", again)
        test.expect_driver(guest, 1, "lab_vfio_pci")
        stopped = guest.run(f"systemctl stop {unit(1)}")
        test.expect("systemctl stop succeeds", stopped.status == 0, stopped.text)
        test.expect_driver(guest, 1, "bochs-drm")


def give_to_lab_gpu(test, guest):
    """The card of slot 2 to a driver that can be told to hang, as it would have it from the start."""
    guest.run(f"echo {ADDRESS[2]} >{CARD[2]}/driver/unbind; modprobe lab_gpu; "
              "echo '1234 1111' >/sys/bus/pci/drivers/lab_gpu/new_id")
    test.expect_driver(guest, 2, "lab_gpu")


def expect_stuck(test, guest, function):
    """The write's process is there, in D state, where it is meant to be. Returns its id."""
    process = guest.text("grep -l kernfs_fop_write /proc/[0-9]*/stack 2>/dev/null | cut -d / -f 3")
    stack = guest.text(f"cat /proc/{process}/stack")
    test.expect(f"a write is stuck in {function}()", process and f"{function}+" in stack, stack)
    state = guest.text(f"grep ^State /proc/{process}/status")
    test.expect("in D state", "D (disk sleep)" in state, state)
    return process


def expect_told(test, guest, process, function):
    """The unit said which write hung, for how long and where in the kernel. To be asked when it has come back: while a
    device's lock is held, journald itself hangs as soon as it looks the device up for a message of the kernel's."""
    words = f"has not returned for 5 s (pid {process}).*{function}+"
    told = guest.until(f"{STORY} | grep -q '{words}'", 30)
    test.expect("the journal has the seconds, the process and the kernel stack", told, lambda: guest.text(STORY))


def expect_one_write(test, guest):
    stacks = guest.text("grep -l kernfs_fop_write /proc/[0-9]*/stack 2>/dev/null | wc -l")
    test.expect("no other write is stuck", stacks == "1", stacks)
