"""Scenarios in which someone, or something, interferes with a guarded card."""

from .expectations import (EVENTS_LOST, EVICTED, LATE_IN_USE, RELEASE_REFUSED, TAKEN, WARNING, bind_framebuffer,
                           expect_active, expect_claimed_at_try, expect_evicted, expect_native, expect_status, expect_told,
                           framebuffer_is_bound, record)
from .guest import ADDRESS
from .trial import message, property_of, unit

CARD = f"/sys/bus/pci/devices/{ADDRESS[1]}"
# Nothing loads the native driver, whose arrival would end the firmware's framebuffer for good.
WITH_FRAMEBUFFER = {"cards": ("bochs-display", None), "arguments": "modprobe.blacklist=bochs"}


def late_framebuffer(test):
    """The firmware framebuffer's driver is bound again behind the guard's back: evicted again, and told."""
    with test.boot(**WITH_FRAMEBUFFER) as guest:
        expect_active(test, guest)
        test.expect("the framebuffer was evicted", not framebuffer_is_bound(guest))
        bind_framebuffer(guest)
        expect_evicted(test, guest)
        expect_told(test, guest, EVICTED, "of both evictions", 2)
        expect_status(test, guest, "Claimed and proven: 2 BARs mapped.")


def late_framebuffer_in_use(test):
    """The same while a guest has the card: told as a warning, and nothing else done; nobody's screen is touched."""
    with test.boot(files={"vfio-client": test.bench.client}, **WITH_FRAMEBUFFER) as guest:
        expect_active(test, guest)
        holder = hold(test, guest)
        bind_framebuffer(guest)
        test.expect("the framebuffer is bound", framebuffer_is_bound(guest))
        seen = guest.until(f"journalctl -b --no-pager -q MESSAGE_ID={LATE_IN_USE} | grep -q .", 20)
        test.expect("the journal tells of it", seen)
        told = guest.journal(f"MESSAGE_ID={LATE_IN_USE}", f"APERTURED_GPU={ADDRESS[1]}")
        test.expect("once, as a warning", [entry.get("PRIORITY") for entry in told] == [WARNING],
                    f"{[message(entry) for entry in told]}")
        test.expect("with the client's name", [entry for entry in told if f"vfio-client (pid {holder}" in message(entry)])
        test.expect("it is left where it is", framebuffer_is_bound(guest))
        test.expect_state(guest, 1, "active")
        expect_status(test, guest, " lies in BAR 0 of a card in use.")
        test.expect("and the client has what it had", guest.run(f"kill -0 {holder}").status == 0)
        # As the catalog advises.
        end(test, guest, holder)
        guest.run(f"systemctl reload {unit(1)}")
        # The reload is over by then.
        expect_status(test, guest, "Claimed and proven: 2 BARs mapped.")
        test.expect("the unit is active again", guest.until(f"systemctl show -P ActiveState {unit(1)} | grep -qx active", 10))
        expect_evicted(test, guest)


def overrun(test):
    """More events than the guard's socket holds, and a framebuffer among what was lost: told, read anew, evicted."""
    with test.boot(**WITH_FRAMEBUFFER) as guest:
        expect_active(test, guest)
        old = property_of(guest, 1, "MainPID")
        guest.run(f"kill -STOP {old}")
        # A socket holds a few hundred. The watchdog's minute runs meanwhile.
        guest.run("for round in $(seq 100); do for event in /sys/bus/pci/devices/*/uevent; do echo change >$event; done; "
                  "done; ls -d /sys/bus/pci/devices/* | wc -l")
        test.expect("nothing is told while the guard stands still", not guest.journal(f"MESSAGE_ID={EVENTS_LOST}"))
        bind_framebuffer(guest)
        test.expect("the framebuffer is bound", framebuffer_is_bound(guest))
        guest.run(f"kill -CONT {old}")
        expect_evicted(test, guest)
        told = guest.journal(f"MESSAGE_ID={EVENTS_LOST}", f"APERTURED_GPU={ADDRESS[1]}")
        test.expect("the journal says that events were lost", len(told) >= 1, f"{len(told)} entries")
        new = property_of(guest, 1, "MainPID")
        test.expect("by the same guard", new == old, f"{old}, now {new}")
        test.saw["events lost"] = f"told {len(told)} time{'s' * (len(told) != 1)}"


def taken_away(test):
    """Someone binds the native driver to the guarded card: told once, not fought; and told when it is back."""
    with test.boot() as guest:
        expect_active(test, guest)
        pid = property_of(guest, 1, "MainPID")
        take(guest, "vfio-pci", "bochs-drm")
        test.expect("the journal tells of it", guest.until(f"{told_of('bochs-drm')} | grep -q .", 20))
        test.expect_stays(guest, 1, "active")
        test.expect_driver(guest, 1, "bochs-drm")
        expect_told_taken(test, guest, 1)
        guest.run("udevadm trigger --subsystem-match=pci --subsystem-match=drm")
        test.expect_stays(guest, 1, "active", seconds=2)
        expect_told_taken(test, guest, 1)
        reloaded = guest.run(f"systemctl reload {unit(1)}")
        test.expect("a reload succeeds", reloaded.status == 0, reloaded.text)
        test.expect("and looks again", guest.until(f"[ $({told_of('bochs-drm')} | wc -l) = 2 ]", 20),
                    lambda: guest.text(told_of("bochs-drm")))
        test.expect_driver(guest, 1, "bochs-drm")
        expect_status(test, guest, f"{ADDRESS[1]} is bound to bochs-drm, not to vfio-pci.")
        take(guest, "bochs-drm", "vfio-pci")
        sound = guest.until(f"journalctl -b --no-pager -q -o cat -u {unit(1)} | grep -q 'as it should be again'", 20)
        test.expect("that it is as it should be again is told", sound)
        test.expect_stays(guest, 1, "active")
        test.expect("by the same guard", property_of(guest, 1, "MainPID") == pid)
        expect_status(test, guest, "Claimed and proven")
        test.expect_mapped(guest, 1)


def take(guest, owner, driver):
    """In one go, as a script does it; the guard may see the card between two drivers all the same."""
    guest.run(f"echo {ADDRESS[1]} >/sys/bus/pci/drivers/{owner}/unbind; echo {driver} >{CARD}/driver_override; "
              f"echo {ADDRESS[1]} >/sys/bus/pci/drivers_probe")


def told_of(driver):
    return f"journalctl -b --no-pager -q -o cat MESSAGE_ID={TAKEN} | grep -F 'it is bound to {driver}'"


def expect_told_taken(test, guest, times):
    """So often of the driver, at most as often of the moment before it had the card, and nothing else."""
    entries = guest.journal(f"MESSAGE_ID={TAKEN}", f"APERTURED_GPU={ADDRESS[1]}")
    words = [message(entry) for entry in entries]
    named = [text for text in words if text.endswith("it is bound to bochs-drm")]
    between = [text for text in words if text.endswith("it has no driver")]
    test.expect("told once, with the driver that is there now", len(named) == times, f"{words}")
    test.expect("and of nothing else", len(between) <= times and len(named) + len(between) == len(words), f"{words}")
    test.expect("as a warning", {entry.get("PRIORITY") for entry in entries} == {WARNING})


def tried_again(test):
    """A first try at boot that fails for once: systemd tries again, and nobody else has the card in between."""
    # As a guard ends that finds another apertured at work for too long. Of what the unit may write to, the file's
    # folder alone is there before the unit is, and stays.
    once = "[ -e /dev/shm/lab ] || { >/dev/shm/lab; exit 1; }"
    begin = f"[Service]\nExecStart=\nExecStart=/bin/sh -c '{once}; exec /usr/bin/apertured guard %i'\n"
    with test.boot(texts={f"systemd/system/{unit(1)}.d/lab.conf": begin}) as guest:
        expect_claimed_at_try(test, guest, 1)
        expect_native(test, guest, 1, 0)
        expect_native(test, guest, 2, 1)


def owned_by_another(test):
    """A udev rule gives VFIO's nodes to another user, as people do for their guests: the unit may open them, too."""
    with test.boot(texts={"udev/rules.d/99-lab.rules": 'SUBSYSTEM=="vfio", OWNER="daemon"\n'}) as guest:
        node = f"/dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{ADDRESS[2]}/iommu_group))"
        # By hand first, so that the node has its owner when the unit begins.
        claimed = guest.run(f"apertured claim {ADDRESS[2]}")
        test.expect("a claim by hand succeeds", claimed.status == 0, claimed.text)
        owner = guest.text(f"udevadm settle; stat -c %U {node}")
        test.expect("the card's node is another user's", owner == "daemon", owner)
        for what in ("taken up", "made anew"):
            started = guest.run(f"systemctl start {unit(2)}")
            said = property_of(guest, 2, "StatusText")
            test.expect(f"systemctl start succeeds, the claim {what}", started.status == 0, said)
            test.expect("claimed and proven", "Claimed and proven" in said, said)
            test.expect_driver(guest, 2, "vfio-pci")
            guest.run(f"systemctl stop {unit(2)}")


def no_room(test):
    """/run is full: a card can be given back all the same, and a claim begins nothing and says what is wrong."""
    full = "dd if=/dev/zero of=/run/lab/full bs=64k 2>/dev/null; dd if=/dev/zero of=/run/lab/rest bs=1 2>/dev/null"
    with test.boot() as guest:
        expect_active(test, guest)
        free = guest.text(f"{full}; df --output=avail /run | tail -n 1").strip()
        test.expect("/run is full", free == "0", free)
        refused = guest.run(f"apertured claim {ADDRESS[2]}")
        test.expect("a claim fails", refused.status == 1 and "No space left on device" in refused.text, refused.text)
        test.expect_driver(guest, 2, "bochs-drm")
        released = guest.run(f"apertured release {ADDRESS[1]}")
        test.expect("a release succeeds", released.status == 0, released.text)
        test.expect_driver(guest, 1, "bochs-drm")
        # The card's guard still runs.
        left = guest.text(f"ls -A /run/apertured | grep -Ev '^(lock|counters|{ADDRESS[1]}.guard)$'")
        test.expect("no record is left, nor a part of one", not left, left)
        guest.run("rm /run/lab/full /run/lab/rest")
        claimed = guest.run(f"apertured claim {ADDRESS[2]}")
        test.expect("with room again a claim succeeds", claimed.status == 0, claimed.text)


def stop_while_in_use(test):
    """A stop while a guest has the card: refused with the holder's name, the card stays; given back afterwards."""
    with test.boot(files={"vfio-client": test.bench.client}) as guest:
        expect_active(test, guest)
        holder = hold(test, guest)
        kept = record(guest, 1)
        test.expect("there is a record", kept)
        guest.run(f"systemctl stop {unit(1)}")
        test.expect_stays(guest, 1, "failed", seconds=7)
        told = guest.journal(f"MESSAGE_ID={RELEASE_REFUSED}", f"APERTURED_GPU={ADDRESS[1]}")
        test.expect("the stop is refused, once", [entry.get("APERTURED_CODE") for entry in told] == ["in-use"],
                    f"{[message(entry) for entry in told]}")
        named = [entry for entry in told if f"vfio-client (pid {holder}" in message(entry)]
        test.expect("with the holder's name", named, f"{[message(entry) for entry in told]}")
        shown = guest.text(f"systemctl status --no-pager -l {unit(1)}")
        test.expect("which systemctl status shows", f"vfio-client (pid {holder}" in shown)
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect("the record stays", record(guest, 1) == kept)
        test.expect("and the client has what it had", guest.run(f"kill -0 {holder}").status == 0)
        end(test, guest, holder)
        test.expect_stays(guest, 1, "failed")
        test.expect_driver(guest, 1, "vfio-pci")
        released = guest.run(f"apertured release {ADDRESS[1]}")
        test.expect("then it can be given back", released.status == 0, released.text)
        test.expect_driver(guest, 1, "bochs-drm")
        override = guest.read(f"{CARD}/driver_override")
        test.expect("its override is cleared", override == "(null)", override)
        test.expect("no record is left", not record(guest, 1))


def restarted_while_in_use(test):
    """The guard dies while a guest has the card: the next one takes up the claim as it is, and guards it."""
    with test.boot(files={"vfio-client": test.bench.client}, **WITH_FRAMEBUFFER) as guest:
        expect_active(test, guest)
        holder = hold(test, guest)
        kept = record(guest, 1)
        old = property_of(guest, 1, "MainPID")
        guest.run(f"kill -KILL {old}")
        again = guest.until(f"[ $(systemctl show -P NRestarts {unit(1)}) = 1 ] && systemctl is-active {unit(1)}", 30)
        if not test.expect("systemd starts it again", again,
                           lambda: guest.text(f"systemctl status -l --no-pager {unit(1)}")):
            return  # a unit without a process has nothing to kill below
        new = property_of(guest, 1, "MainPID")
        expect_status(test, guest, f"vfio-client (pid {holder}")
        test.expect("with the record there was", kept and record(guest, 1) == kept)
        test.expect("and the client has what it had", guest.run(f"kill -0 {holder}").status == 0)
        bind_framebuffer(guest)
        expect_status(test, guest, " lies in BAR 0 of a card in use.")
        expect_told(test, guest, LATE_IN_USE, "of a framebuffer over the card in use")
        # Once more, with the framebuffer there at the start.
        restarted = guest.run(f"kill -KILL {new}")
        test.expect("killed again", restarted.status == 0)
        again = guest.until(f"[ $(systemctl show -P NRestarts {unit(1)}) = 2 ] && systemctl is-active {unit(1)}", 30)
        test.expect("systemd starts it again", again, lambda: guest.text(f"systemctl status -l --no-pager {unit(1)}"))
        expect_status(test, guest, " lies in BAR 0 of a card in use.")
        expect_told(test, guest, LATE_IN_USE, "of it again", 2)
        test.expect("the framebuffer is left", framebuffer_is_bound(guest))
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect("and so is the client", guest.run(f"kill -0 {holder}").status == 0)


def hold(test, guest):
    """The id of a process that uses the card through VFIO, as a guest would."""
    guest.run(f"/run/lab/vfio-client {ADDRESS[1]} hold 600 >/run/lab/held 2>&1 & echo $! >/run/lab/holder")
    test.expect("a client has the card", guest.until("grep -q '^holding' /run/lab/held", 20))
    return guest.read("/run/lab/holder")


def end(test, guest, process):
    guest.run(f"kill {process}")
    test.expect("the client ends", guest.until(f"[ ! -e /proc/{process} ]", 20))


def waits(guest, process):
    """How often all its threads went to sleep by themselves."""
    lines = guest.text(f"grep -h ^voluntary_ctxt_switches /proc/{process}/task/*/status")
    return sum(int(line.split()[1]) for line in lines.splitlines())


def watchdog(test):
    """A guard that hangs is replaced by systemd, and the next one finds the claim as it is."""
    with test.boot() as guest:
        # The lab does not wait for a minute: everything but the time is the unit's own.
        guest.run(f"mkdir -p /run/systemd/system/{unit(1)}.d; "
                  f"printf '[Service]\\nWatchdogSec=10\\n' >/run/systemd/system/{unit(1)}.d/lab.conf; "
                  f"systemctl daemon-reload; systemctl restart {unit(1)}")
        test.expect_state(guest, 1, "active")
        guest.run("udevadm settle; sleep 5")
        old = property_of(guest, 1, "MainPID")
        before = waits(guest, old)
        guest.run("sleep 15")
        test.expect("a guard that is well is left alone", property_of(guest, 1, "NRestarts") == "0")
        wakeups = waits(guest, old) - before
        test.saw["wake-ups in 15 s"] = str(wakeups)
        test.expect("it wakes for the watchdog alone, every 5 seconds", 2 <= wakeups <= 4, str(wakeups))
        guest.run(f"kill -STOP {old}")
        replaced = guest.until(f"[ $(systemctl show -P NRestarts {unit(1)}) = 1 ] && systemctl is-active {unit(1)}", 90)
        test.expect("systemd replaces the guard", replaced, property_of(guest, 1, "Result"))
        new = property_of(guest, 1, "MainPID")
        test.expect("by another process", new not in (old, "0"), new)
        test.expect_stays(guest, 1, "active", seconds=12)
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect_mapped(guest, 1)
