"""The words that scenarios share: what is asked of a card, its unit and its journal."""

from .guest import ADDRESS
from .trial import message, monotonic, property_of, ready_at, unit

# Sources/Journal/MessageID.swift.
INTENDED = "86fcd048b9f143a6879c4442c0c28974"
EVICTED = "cba66d0077b141f7bc3f14e84eece078"
UNBOUND = "b34b8265c181475aa834acc5e7a373b6"
RUNG = "d64d6aa5731a44379391ed57e6dda643"
PROVEN = "92a1695ad3f04f5892f2f5bc178858e3"
WAITS = "153f492dd50f4d5ab1565fbac996b436"
REFUSED = "a81d6be882554845aa7df861023becb2"
MISMATCH = "46202f9cc3764026bbb827b287fecc65"
LATE = "befb2fb9d8864e11a2b87d950e22d218"
LATE_IN_USE = "ea201fdc20024b13a95d28742cc70e46"
TAKEN = "1e38b907effb4f1fbc95acec7a5c0ba5"
RELEASED_BY_OTHER = "b9d1e82238a842c883efa6084bb96db0"
RULE_TAKEN_BACK = "1bed4115c6b24328a0d4cd9c213900c1"
RECOVERED = "5ece1743da0d4bf293250005001ca287"
GUARD_STOPPED = "c87c3ed1b1d24da5be7e77a9b6d79fab"
RELEASING = "d5b1546f808144ad9d43d3cc9155dbae"
RELEASED = "3101ba7d07984e71ba50f696fa052011"
RELEASE_REFUSED = "7e226221f9944992a383655f14f7246f"
EVENTS_LOST = "0239d12ce3544f8ba5af63a965ba8283"

FRAMEBUFFER = "/sys/bus/platform/drivers/efi-framebuffer"
WARNING = "4"


def device(slot):
    return f"sys-subsystem-pci-devices-{ADDRESS[slot]}.device"


def record(guest, slot):
    """The card's record, and parts of one."""
    return guest.text(f"ls /run/apertured | grep -F '{ADDRESS[slot]}' | grep -v '[.]guard$'")


def expect_nothing_left(test, guest, slot):
    """Of a guard that has ended."""
    left = guest.text(f"ls /run/apertured | grep -F '{ADDRESS[slot]}'")
    test.expect("and leaves neither a record nor a guard's file", not left, left)


def expect_active(test, guest, what="the unit is active"):
    """However late."""
    test.expect(what, guest.until(f"systemctl is-active {unit(1)}"),
                lambda: guest.text(f"systemctl status --no-pager -l {unit(1)}"))


def expect_native(test, guest, slot, times):
    """So often in this boot the native driver had the card: one that takes a card says so, under the card's name."""
    said = [message(line) for line in guest.journal(f"_KERNEL_DEVICE=+pci:{ADDRESS[slot]}")]
    taken = [line for line in said if "bochs" in line]
    drawn = int(guest.text(f"dmesg | grep -c 'Initialized bochs.* for {ADDRESS[slot]}'"))
    test.expect(f"so often the native driver had the card in slot {slot}: {times}",
                drawn == times and (times or not taken), f"{drawn}: {taken}")


def expect_claimed_at_try(test, guest, restarts):
    """Claimed and proven, by the start that so many others came before."""
    expect_active(test, guest)
    tries = property_of(guest, 1, "NRestarts")
    test.expect(f"after {restarts} restarts", tries == str(restarts), f"{tries} restarts")
    test.expect_driver(guest, 1, "vfio-pci")
    test.expect_mapped(guest, 1)
    expect_proven(test, guest)


def expect_proven(test, guest):
    told = guest.journal(f"MESSAGE_ID={PROVEN}", f"APERTURED_GPU={ADDRESS[1]}")
    test.expect("the journal says it is claimed and proven", len(told) == 1, f"{len(told)} entries")


def expect_told(test, guest, kind, what, times=1):
    """So often in this boot."""
    told = guest.journal(f"MESSAGE_ID={kind}", f"APERTURED_GPU={ADDRESS[1]}")
    test.expect(f"the journal tells {what}", len(told) == times, f"{[message(entry) for entry in told]}")


def expect_status(test, guest, words):
    """What systemctl status shows of the guard's own."""
    said = guest.until(f"systemctl show -P StatusText {unit(1)} | grep -qF '{words}'", 15)
    test.expect(f"the unit's status says '{words}'", said, lambda: property_of(guest, 1, "StatusText"))


def expect_refused(test, guest, kind, code, words):
    """Once, with the reason where a person looks for it; nothing written, and the card is the host's."""
    test.expect("the unit fails", guest.until(f"systemctl is-failed {unit(1)}"))
    status = property_of(guest, 1, "ExecMainStatus")
    test.expect("exit status 3", status == "3", status)
    shown = guest.text(f"systemctl status --no-pager -l {unit(1)}")
    test.expect("systemctl status gives the reason", words in shown)
    guest.run("sleep 12")
    tries = property_of(guest, 1, "NRestarts")
    test.expect("it was not tried again", tries == "0", tries)
    test.expect_state(guest, 1, "failed")
    test.expect_driver(guest, 1, "bochs-drm")
    told = guest.journal(f"MESSAGE_ID={kind}", f"APERTURED_GPU={ADDRESS[1]}")
    codes = [entry.get("APERTURED_CODE") for entry in told]
    test.expect("the journal has one entry for it, with its code", codes == [code], f"{codes}")
    test.expect("which is an error", [entry.get("PRIORITY") for entry in told] == ["3"])
    test.expect("nothing was written", not guest.journal(f"MESSAGE_ID={PROVEN}"))
    test.saw["refused"] = code


def rungs_taken(guest):
    """The rungs of the claims in this boot's journal, in the initramfs lab's words: those between override and bind."""
    said = [message(entry).removeprefix(f"{ADDRESS[1]}: ")
            for entry in guest.journal(f"MESSAGE_ID={INTENDED}", f"APERTURED_GPU={ADDRESS[1]}")]
    rungs = dict.fromkeys(line.split(":")[0] for line in said if not line.startswith("back: "))
    return ",".join(rung for rung in rungs if rung not in ("override", "bind"))


def expect_ended(test, guest):
    gone = guest.until(f"[ ! -e /sys/bus/pci/devices/{ADDRESS[1]} ]", 30)
    test.expect("the card in slot 1 is gone", gone)
    ended = guest.until(f"systemctl show -P ActiveState {unit(1)} | grep -q inactive")
    test.expect("its unit ends with it", ended, lambda: property_of(guest, 1, "ActiveState"))
    test.expect_stays(guest, 1, "inactive", seconds=7)
    result = property_of(guest, 1, "Result")
    test.expect("which is no failure", result == "success", result)
    expect_nothing_left(test, guest, 1)


def plug_and_expect(test, guest, what, card="bochs-display"):
    guest.plug(1, card)
    expect_active(test, guest, f"{what}: the unit is active")
    test.expect_driver(guest, 1, "vfio-pci")
    test.expect_mapped(guest, 1)
    lines = [line for line in guest.journal(f"_KERNEL_DEVICE=+pci:{ADDRESS[1]}") if "[1234:1111]" in message(line)]
    if test.expect("the kernel told of the card", lines):
        test.saw[f"{what} to READY"] = f"{ready_at(guest, 1) - monotonic(lines[-1]):.1f} s"


def neighbour(guest, slot):
    """What must not change of a card that is none of one's business."""
    return (guest.driver(slot), guest.text(f"systemctl show -P ActiveState -P MainPID -P NRestarts {unit(slot)}"),
            guest.read(f"/sys/bus/pci/devices/{ADDRESS[slot]}/resource"))


def framebuffer_is_bound(guest):
    return guest.run(f"[ -e {FRAMEBUFFER}/efi-framebuffer.0 ]").status == 0


def bind_framebuffer(guest):
    """As a script or a module's load does. Without the native driver: its arrival ends that framebuffer for good."""
    guest.run("echo >/sys/bus/platform/devices/efi-framebuffer.0/driver_override")
    guest.run(f"echo efi-framebuffer.0 >{FRAMEBUFFER}/bind")


def expect_evicted(test, guest):
    gone = guest.until(f"[ ! -e {FRAMEBUFFER}/efi-framebuffer.0 ]", 30)
    test.expect("the framebuffer is evicted again", gone)
    test.expect_state(guest, 1, "active")
    test.expect_mapped(guest, 1)
    told = guest.until(f"journalctl -b --no-pager -q MESSAGE_ID={LATE} | grep -q .", 10)
    test.expect("the journal tells of it", told)
