"""Scenarios of every day: boot, start, stop, shutdown."""

import json

from .expectations import (EVICTED, GUARD_STOPPED, RECOVERED, RELEASED, RELEASED_BY_OTHER, RELEASING, RUNG, UNBOUND,
                           device, expect_active, expect_claimed_at_try, expect_native, expect_proven, expect_status,
                           expect_told, neighbour, record, rungs_taken)
from .guest import ADDRESS, SIBLING
from .trial import message, monotonic, property_of, ready_at, unit


# Another card's event may load the native driver before the rule sees this one's: a race that a slow machine can lose,
# but not again and again.
MOST_BOOTS = 3


def enabled_at_boot(test):
    """Claimed and proven before multi-user.target; the native driver's module is there and never has the card. Where it
    was quicker than the udev rule, the card is claimed all the same, and the machine is booted once more."""
    for boot in range(1, MOST_BOOTS + 1):
        with test.boot() as guest:
            # However late: the order is asked for below.
            expect_active(test, guest)
            if not had_native(guest):
                return expect_enabled_at_boot(test, guest)
            test.saw["native driver first"] = f"{boot} time{'s' * (boot != 1)}"
            test.expect_driver(guest, 1, "vfio-pci")
            test.expect_mapped(guest, 1)
            expect_status(test, guest, "Claimed and proven: 2 BARs mapped.")
            test.expect("it was unbound for the claim", rungs_taken(guest) == "unbind", rungs_taken(guest))
            guest.power_off()
    test.expect("the udev rule is quicker than the native driver", False, f"not in {MOST_BOOTS} boots")


def had_native(guest):
    """Whether the native driver had the card in slot 1 before the claim: what was in its BARs then says so."""
    said = guest.text(f"journalctl -b --no-pager -q -o cat APERTURED_GPU={ADDRESS[1]} | grep -m 1 'BAR 0 holds'")
    return "bochs" in said


def expect_enabled_at_boot(test, guest):
    test.saw["boot"] = f"{guest.seconds_to_boot:.0f} s"
    test.expect_driver(guest, 1, "vfio-pci")
    test.expect_mapped(guest, 1)
    test.expect_driver(guest, 2, "bochs-drm")
    expect_proven(test, guest)
    target = int(guest.text("systemctl show -P ActiveEnterTimestampMonotonic multi-user.target")) / 1e6
    ready = ready_at(guest, 1)
    test.expect("the unit is ready before multi-user.target", 0 < ready < target, f"{ready} and {target}")
    begun = int(guest.text(f"systemctl show -P ActiveEnterTimestampMonotonic {device(1)}")) / 1e6
    test.saw["device to READY"] = f"{ready - begun:.1f} s"
    found = [monotonic(entry) for entry in guest.journal(f"_KERNEL_DEVICE=+pci:{ADDRESS[1]}")]
    test.saw["kernel's line to READY"] = f"{ready - min(found):.1f} s" if found else "no line"
    # All of it, and what no other process could share.
    for name in ("VmRSS", "RssAnon"):
        kilobytes = guest.text(f"grep {name} /proc/{property_of(guest, 1, 'MainPID')}/status").split()[1]
        test.saw[name] = f"{int(kilobytes) / 1024:.1f} MiB"
    rungs = rungs_taken(guest)
    # A card that is found again by a rescan is raced for with a driver that is loaded. The race can be lost, and the
    # driver is unbound again then.
    wanted = [test.case.rungs] + [f"{test.case.rungs},unbind"] * ("rescan" in test.case.rungs)
    if "rescan" not in test.case.rungs:
        expect_native(test, guest, 1, 0)
    expect_native(test, guest, 2, 1)
    test.saw["rung"] = rungs
    expect_told(test, guest, EVICTED, "that the framebuffer was evicted", rungs.split(",").count("evict"))
    expect_told(test, guest, RUNG, "of the rescan", rungs.split(",").count("rescan"))
    expect_status(test, guest, "Claimed and proven: 2 BARs mapped.")
    test.expect(f"the conflict was cleared by {test.case.rungs}", rungs in wanted, rungs)
    # Since systemd 254.
    verified = guest.run("! udevadm verify --help >/dev/null 2>&1 || udevadm verify /usr/lib/udev/rules.d/90-apertured.rules")
    test.expect("udevadm verify finds nothing in the rule", verified.status == 0, verified.text)
    verified = guest.run("systemd-analyze verify --man=no --recursive-errors=no /usr/lib/systemd/system/apertured@.service")
    test.expect("systemd-analyze verify finds nothing in the unit", verified.status == 0, verified.text)
    shown = guest.text(f"udevadm info /sys/bus/pci/devices/{ADDRESS[1]}")
    test.expect("udevadm info says why this card was chosen", "APERTURED_ENABLED_BY=" in shown)
    shown = guest.text(f"udevadm info /sys/bus/pci/devices/{ADDRESS[2]}")
    test.expect("and has no such word for the other", "APERTURED_" not in shown)


def bounced(test):
    """A native driver may probe the card once: it has it once, inside the unit, and the first try succeeds."""
    with test.boot() as guest:
        expect_claimed_at_try(test, guest, 0)
        rungs = rungs_taken(guest)
        test.saw["rung"] = rungs
        test.expect(f"the conflict was cleared by {test.case.rungs}", rungs == test.case.rungs, rungs)
        # udev has loaded its module for the other card, too.
        expect_native(test, guest, 1, 1)
        expect_native(test, guest, 2, 1)
        test.expect_driver(guest, 2, "bochs-drm")


def start_and_stop(test):
    """By hand, on the card that is not enabled: what is stopped stays stopped; the other card sees nothing of it."""
    with test.boot() as guest:
        expect_active(test, guest, "the first card's unit is active")
        since = guest.text("date +%s.%N")
        before = neighbour(guest, 1)
        started = guest.run(f"systemctl start {unit(2)}")
        test.expect("systemctl start succeeds", started.status == 0, started.text)
        test.expect_driver(guest, 2, "vfio-pci")
        test.expect_mapped(guest, 2)
        stopped = guest.run(f"systemctl stop {unit(2)}")
        test.expect("systemctl stop succeeds", stopped.status == 0, stopped.text)
        test.expect_stays(guest, 2, "inactive")
        test.expect_driver(guest, 2, "bochs-drm")
        test.expect("its override is cleared",
                    guest.read(f"/sys/bus/pci/devices/{ADDRESS[2]}/driver_override") == "(null)")
        for event in ("udevadm trigger --subsystem-match=pci", "systemctl daemon-reload",
                      "systemctl restart systemd-udevd", "systemctl daemon-reexec"):
            guest.run(event)
            test.expect_stays(guest, 2, "inactive", seconds=2)
        test.expect("the first card's service and driver are as they were", neighbour(guest, 1) == before)
        # The enabled one, too: a stop is a stop until the card appears anew.
        guest.run(f"systemctl stop {unit(1)}")
        test.expect_stays(guest, 1, "inactive")
        test.expect_driver(guest, 1, "bochs-drm")
        guest.run("udevadm trigger --subsystem-match=pci")
        test.expect_stays(guest, 1, "inactive", seconds=2)
        # At boot it may have been quicker than the udev rule.
        earlier = len(guest.journal(f"MESSAGE_ID={UNBOUND}", f"APERTURED_GPU={ADDRESS[1]}"))
        started = guest.run(f"systemctl start {unit(1)}")
        test.expect("and starts again", started.status == 0, started.text)
        test.expect_mapped(guest, 1)
        unbound = len(guest.journal(f"MESSAGE_ID={UNBOUND}", f"APERTURED_GPU={ADDRESS[1]}")) - earlier
        # At a rescan it is raced for, and unbound again where it has won.
        lost = rungs_taken(guest).split(",").count("rescan")
        test.expect("the journal tells that the native driver was unbound", 1 <= unbound <= 1 + lost, f"{unbound} times")
        complaints = guest.text(f"journalctl --since=@{since} -p warning --no-pager -q -o cat -u {unit(2)}")
        test.expect("nothing was warned of on the way", not complaints, complaints)


def stop_while_starting(test):
    """A stop that comes before READY: the card is the host's, whatever the rule and the claim had done by then."""
    with test.boot() as guest:
        expect_active(test, guest)
        guest.run(f"systemctl stop {unit(1)}")
        test.expect_driver(guest, 1, "bochs-drm")
        # Appears anew, so that the rule is ahead of the native driver; stopped as soon as it begins.
        path = f"/sys/bus/pci/devices/{ADDRESS[1]}"
        guest.run(f"echo 1 >{path}/remove; sleep 2; echo 1 >/sys/bus/pci/rescan")
        begun = guest.until(f"systemctl show -P ActiveState {unit(1)} | grep -q activating", 30)
        test.expect("the unit is starting", begun, lambda: property_of(guest, 1, "ActiveState"))
        guest.run(f"systemctl stop {unit(1)}")
        test.expect_stays(guest, 1, "inactive")
        test.expect_driver(guest, 1, "bochs-drm")
        test.expect("its override is cleared", guest.read(f"{path}/driver_override") == "(null)")
        expect_told(test, guest, RECOVERED, "of nothing that was cut short", 0)


def one_function(test):
    """Two display functions in one slot, each with a unit of its own: a stop of one leaves the other as it is."""
    path, other = f"/sys/bus/pci/devices/{SIBLING}", f"apertured@{SIBLING}.service"
    # Without the native driver, which would make the group useless for the function that stays: they share it.
    with test.boot(cards=("bochs-display,multifunction=on", None), devices=("bochs-display,bus=port1,addr=00.1",),
                   arguments="modprobe.blacklist=bochs") as guest:
        expect_active(test, guest)
        started = guest.run(f"systemctl start {other}")
        test.expect("the other function's unit starts", started.status == 0, started.text)
        driver = guest.text(f"basename $(readlink {path}/driver)")
        test.expect("it has the driver vfio-pci", driver == "vfio-pci", driver)
        before = neighbour(guest, 1)
        kept = record(guest, 1)
        stopped = guest.run(f"systemctl stop {other}")
        test.expect("systemctl stop succeeds", stopped.status == 0, stopped.text)
        test.expect("it has no driver", guest.run(f"[ -e {path}/driver ]").status != 0)
        test.expect_stays(guest, 1, "active")
        test.expect("the first one's service and driver are as they were", neighbour(guest, 1) == before)
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect("and so is its record", kept and record(guest, 1) == kept)
        expect_status(test, guest, "Claimed and proven")
        verified = guest.run(f"apertured verify --only-function {ADDRESS[1]}")
        test.expect("and every BAR of it can be mapped", verified.status == 0, verified.text)


def released_by_hand(test):
    """`apertured release` under an active unit: told, not undone, and the unit can be stopped or claim again."""
    with test.boot() as guest:
        expect_active(test, guest)
        released = guest.run(f"apertured release {ADDRESS[1]}")
        test.expect("the release succeeds", released.status == 0, released.text)
        expect_status(test, guest, "Released by someone else")
        expect_told(test, guest, RELEASED_BY_OTHER, "of it")
        test.expect_stays(guest, 1, "active", seconds=4)
        test.expect_driver(guest, 1, "bochs-drm")
        stopped = guest.run(f"systemctl stop {unit(1)}")
        test.expect("systemctl stop succeeds", stopped.status == 0, stopped.text)
        test.expect_stays(guest, 1, "inactive")
        test.expect_driver(guest, 1, "bochs-drm")
        started = guest.run(f"systemctl start {unit(1)}")
        test.expect("systemctl start claims again", started.status == 0, started.text)
        test.expect_mapped(guest, 1)
        # Only forgotten: the card stays with vfio-pci, and a claim takes it up as it is.
        kept = guest.run(f"apertured release --keep {ADDRESS[1]}")
        test.expect("release --keep succeeds", kept.status == 0, kept.text)
        # Nothing happened to the card, so that the guard has not looked.
        guest.run(f"systemctl reload {unit(1)}")
        expect_status(test, guest, "Released by someone else")
        test.expect_driver(guest, 1, "vfio-pci")
        restarted = guest.run(f"systemctl restart {unit(1)}")
        test.expect("a restart succeeds", restarted.status == 0, restarted.text)
        expect_status(test, guest, "Claimed and proven")
        test.expect("with a record", record(guest, 1))


def kept_by_hand(test):
    """`apertured release --keep`, and then a stop: the card stays where whoever kept it wants it."""
    with test.boot() as guest:
        expect_active(test, guest)
        kept = guest.run(f"apertured release --keep {ADDRESS[1]}")
        test.expect("release --keep succeeds", kept.status == 0, kept.text)
        stopped = guest.run(f"systemctl stop {unit(1)}")
        test.expect("systemctl stop succeeds", stopped.status == 0, stopped.text)
        test.expect_stays(guest, 1, "inactive")
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect_mapped(guest, 1)
        started = guest.run(f"systemctl start {unit(1)}")
        test.expect("and can be claimed again", started.status == 0, started.text)
        expect_status(test, guest, "Claimed and proven")


def shut_down(test):
    """At a shutdown nothing is given back: the guard ends, and the card stays with vfio-pci to the last."""
    with test.boot() as guest:
        guest.run("mkdir -p /var/log/journal; journalctl --flush")
        expect_active(test, guest)
        guest.power_off()
    with test.boot() as guest:
        expect_active(test, guest, "claimed at the next boot")
        test.expect("the guard ended in order", len(guest.journal(f"MESSAGE_ID={GUARD_STOPPED}", boot=-1)) == 1)
        back = guest.journal(f"MESSAGE_ID={RELEASING}", f"MESSAGE_ID={RELEASED}", boot=-1)
        test.expect("nothing was given back", not back, f"{[message(entry) for entry in back]}")
        complaints = guest.text(f"journalctl -b -1 -p warning --no-pager -q -o cat -u {unit(1)}")
        test.expect("nothing was warned of", not complaints, complaints)


def doctor(test):
    """What decides whether a guest gets a card, before a claim, under one, and with an obstacle in the way."""
    with test.boot() as guest:
        expect_active(test, guest)
        before = neighbour(guest, 1)
        native = diagnosed(test, guest, 2, 0)
        marks = {finding["id"]: finding["mark"] for finding in native}
        test.expect("nothing stops a claim of the free card", "obstacle" not in marks.values(), marks)
        test.expect("what could be read of it is in order",
                    all(marks.get(name) == "ok" for name in ("card", "group", "vfio-driver", "bars", "holders")), marks)
        test.expect("it is named as not enabled", marks.get("unit") == "note", marks)
        test.expect_driver(guest, 2, "bochs-drm")
        claimed = {finding["id"]: finding["mark"] for finding in diagnosed(test, guest, 1, 0)}
        test.expect("the claimed card's unit is enabled", claimed.get("unit") == "ok", claimed)
        test.expect("nothing is in its BARs", claimed.get("framebuffer") == "ok", claimed)
        shown = guest.run(f"COLUMNS=80 apertured doctor {ADDRESS[1]}")
        test.expect("it is on VFIO", "It is on VFIO, and nothing is in its BARs." in shown.text, shown.text)
        # Somebody has the node of the other card open: an obstacle, as the plan says.
        nodes = f"/sys/bus/pci/devices/{ADDRESS[2]}/drm"
        guest.run(f"sleep 600 </dev/dri/$(ls {nodes} | grep card) >/dev/null 2>&1 & echo $! >/run/lab/holder")
        held = diagnosed(test, guest, 2, 1)
        test.expect("the user of the card comes first", held[0]["id"] == "in-use", held[0])
        guest.run("kill $(cat /run/lab/holder)")
        test.expect("the first card's service and driver are as they were", neighbour(guest, 1) == before)


def diagnosed(test, guest, slot, status):
    """The findings on a card; checks the status, and that nobody else's record or driver was touched."""
    answer = guest.run(f"apertured doctor --json {ADDRESS[slot]}")
    test.expect(f"doctor ends with {status}", answer.status == status, answer.text)
    document = json.loads(answer.text)
    test.saw[f"slot {slot}, machine"] = ", ".join(f"{row['id']} {row['mark']}" for row in document["machine"])
    return document["gpus"][0]["findings"]
