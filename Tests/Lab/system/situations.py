"""The full guest's scenarios: what a person does with a systemd machine and its GPUs, and what has to come of it.

Each is a function that drives one or more boots of the same computer. Slot 1 is enabled on the disk that all start
from; slot 2 holds the same card and is nobody's business unless a scenario says so.
"""

from guest import ADDRESS
from image import PACKAGE, TRACES
from trial import monotonic, message, property_of, ready_at, unit

# Sources/Journal/MessageID.swift: claimedAndProven, claimRefused, lateFramebuffer.
PROVEN = "92a1695ad3f04f5892f2f5bc178858e3"
REFUSED = "a81d6be882554845aa7df861023becb2"
LATE = "befb2fb9d8864e11a2b87d950e22d218"

FRAMEBUFFER = "/sys/bus/platform/drivers/efi-framebuffer"


def enabled_at_boot(test):
    """Claimed and proven before multi-user.target; the native driver's module is there and never has the card."""
    with test.boot() as guest:
        test.saw["boot"] = f"{guest.seconds_to_boot:.0f} s"
        # However late: the order is asked for below.
        test.expect("the unit is active", guest.until(f"systemctl is-active {unit(1)}"))
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect_mapped(guest, 1)
        test.expect_driver(guest, 2, "bochs-drm")
        expect_proven(test, guest)
        target = int(guest.text("systemctl show -P ActiveEnterTimestampMonotonic multi-user.target")) / 1e6
        ready = ready_at(guest, 1)
        test.expect("the unit is ready before multi-user.target", 0 < ready < target, f"{ready} and {target}")
        begun = int(guest.text(f"systemctl show -P ActiveEnterTimestampMonotonic {device(1)}")) / 1e6
        test.saw["device to READY"] = f"{ready - begun:.1f} s"
        # All of it, and what no other process could share.
        resident = guest.text(f"grep -E 'VmRSS|RssAnon' /proc/{property_of(guest, 1, 'MainPID')}/status")
        test.saw["resident"] = " ".join(resident.split())
        # A driver that takes the card says so; the kernel's lines for one card are found by its name.
        taken = [line for line in guest.journal(f"_KERNEL_DEVICE=+pci:{ADDRESS[1]}") if "bochs" in message(line)]
        drawn = [guest.text(f"dmesg | grep -c 'Initialized bochs.* for {ADDRESS[slot]}'") for slot in (1, 2)]
        test.expect("the native driver never had the card", not taken and drawn[0] == "0", f"{drawn[0]} times")
        test.expect("as it had the other", drawn[1] == "1", f"{drawn[1]} times")
        shown = guest.text(f"udevadm info /sys/bus/pci/devices/{ADDRESS[1]}")
        test.expect("udevadm info says why this card was chosen", "APERTURED_ENABLED_BY=" in shown)
        shown = guest.text(f"udevadm info /sys/bus/pci/devices/{ADDRESS[2]}")
        test.expect("and has no such word for the other", "APERTURED_" not in shown)


def start_and_stop(test):
    """By hand, on the card that is not enabled: what is stopped stays stopped; the other card sees nothing of it."""
    with test.boot() as guest:
        test.expect("the first card's unit is active", guest.until(f"systemctl is-active {unit(1)}"))
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
        started = guest.run(f"systemctl start {unit(1)}")
        test.expect("and starts again", started.status == 0, started.text)
        test.expect_mapped(guest, 1)
        complaints = guest.text(f"journalctl --since=@{since} -p warning --no-pager -q -o cat -u {unit(2)}")
        test.expect("nothing was warned of on the way", not complaints, complaints)


def stop_while_starting(test):
    """A stop that comes before READY: the card is the host's, whatever the rule and the claim had done by then."""
    with test.boot() as guest:
        test.expect("the unit is active", guest.until(f"systemctl is-active {unit(1)}"))
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


def hotplug(test):
    """Into an enabled slot: claimed. Into another: left alone. Gone while guarded, back, and pulled for good."""
    with test.boot(cards=(None, None)) as guest:
        test.expect_state(guest, 1, "inactive")
        plug_and_expect(test, guest, "plugged")
        guest.plug(2)
        test.expect("a card in slot 2 gets a driver", guest.until(f"[ -e /sys/bus/pci/devices/{ADDRESS[2]}/driver ]"))
        guest.run("udevadm settle; sleep 2")
        test.expect_driver(guest, 2, "bochs-drm")
        test.expect_state(guest, 2, "inactive")
        # Back by a rescan and not by a second plug: here QEMU 7.2 kept the memory of a card that was pulled, and
        # aborted when another took its place.
        guest.run(f"echo 1 >/sys/bus/pci/devices/{ADDRESS[1]}/remove")
        expect_ended(test, guest)
        guest.run("echo 1 >/sys/bus/pci/rescan")
        test.expect("back, it is claimed again", guest.until(f"systemctl is-active {unit(1)}"))
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect_mapped(guest, 1)
        guest.pull(1)
        expect_ended(test, guest)
        test.expect_driver(guest, 2, "bochs-drm")
        test.expect_state(guest, 2, "inactive")


def expect_ended(test, guest):
    gone = guest.until(f"[ ! -e /sys/bus/pci/devices/{ADDRESS[1]} ]", 30)
    test.expect("the card in slot 1 is gone", gone)
    ended = guest.until(f"systemctl show -P ActiveState {unit(1)} | grep -q inactive")
    test.expect("its unit ends with it", ended, lambda: property_of(guest, 1, "ActiveState"))
    test.expect_stays(guest, 1, "inactive", seconds=7)
    result = property_of(guest, 1, "Result")
    test.expect("which is no failure", result == "success", result)
    test.expect("and leaves no record", not guest.text("ls /run/apertured | grep 01:00"))


def plug_and_expect(test, guest, what):
    guest.plug(1)
    test.expect(f"{what}: the unit is active", guest.until(f"systemctl is-active {unit(1)}"),
                lambda: guest.text(f"systemctl status --no-pager -l {unit(1)}"))
    test.expect_driver(guest, 1, "vfio-pci")
    test.expect_mapped(guest, 1)
    lines = [line for line in guest.journal(f"_KERNEL_DEVICE=+pci:{ADDRESS[1]}") if "[1234:1111]" in message(line)]
    if test.expect("the kernel told of the card", lines):
        test.saw[f"{what} to READY"] = f"{ready_at(guest, 1) - monotonic(lines[-1]):.1f} s"


def refusal(test):
    """No IOMMU: refused once, with the reason where a person looks for it; the card is the host's."""
    with test.boot(iommu=False) as guest:
        test.expect("the unit fails", guest.until(f"systemctl is-failed {unit(1)}"))
        test.expect("exit status 3", property_of(guest, 1, "ExecMainStatus") == "3",
                    property_of(guest, 1, "ExecMainStatus"))
        status = guest.text(f"systemctl status --no-pager -l {unit(1)}")
        test.expect("systemctl status gives the reason", "iommu" in status.lower())
        guest.run("sleep 12")
        test.expect("it was not tried again", property_of(guest, 1, "NRestarts") == "0",
                    property_of(guest, 1, "NRestarts"))
        test.expect_state(guest, 1, "failed")
        test.expect_driver(guest, 1, "bochs-drm")
        told = guest.journal(f"MESSAGE_ID={REFUSED}")
        test.expect("the journal has one entry for it, with its code",
                    [entry.get("APERTURED_CODE") for entry in told] == ["no-iommu"], f"{len(told)} entries")
        explained = guest.text(f"journalctl -b -x --no-pager MESSAGE_ID={REFUSED}")
        test.expect("journalctl -x explains it", "Nothing was written." in explained)


def late_framebuffer(test):
    """The firmware framebuffer's driver is bound again behind the guard's back: evicted again, and told."""
    # Nothing loads the native driver, whose arrival would end the firmware's framebuffer for good.
    with test.boot(cards=("bochs-display", None), arguments="modprobe.blacklist=bochs") as guest:
        test.expect("the unit is active", guest.until(f"systemctl is-active {unit(1)}"))
        test.expect("the framebuffer was evicted", not bound(guest))
        guest.run("echo >/sys/bus/platform/devices/efi-framebuffer.0/driver_override")
        guest.run(f"echo efi-framebuffer.0 >{FRAMEBUFFER}/bind")
        gone = guest.until(f"[ ! -e {FRAMEBUFFER}/efi-framebuffer.0 ]", 30)
        test.expect("it is evicted again", gone)
        test.expect_state(guest, 1, "active")
        test.expect_mapped(guest, 1)
        told = guest.until(f"journalctl -b --no-pager -q MESSAGE_ID={LATE} | grep -q .", 10)
        test.expect("the journal tells of it", told)


def watchdog(test):
    """A guard that hangs is replaced by systemd, and the next one finds the claim as it is."""
    with test.boot() as guest:
        # A person's patience is not the lab's: everything but the time is the unit's own.
        guest.run(f"mkdir -p /run/systemd/system/{unit(1)}.d; "
                  f"printf '[Service]\\nWatchdogSec=10\\n' >/run/systemd/system/{unit(1)}.d/lab.conf; "
                  f"systemctl daemon-reload; systemctl restart {unit(1)}")
        test.expect_state(guest, 1, "active")
        guest.run("sleep 15")
        test.expect("a guard that is well is left alone", property_of(guest, 1, "NRestarts") == "0")
        old = property_of(guest, 1, "MainPID")
        guest.run(f"kill -STOP {old}")
        replaced = guest.until(f"[ $(systemctl show -P NRestarts {unit(1)}) = 1 ] && systemctl is-active {unit(1)}", 90)
        test.expect("systemd replaces the guard", replaced, property_of(guest, 1, "Result"))
        new = property_of(guest, 1, "MainPID")
        test.expect("by another process", new not in (old, "0"), new)
        test.expect_stays(guest, 1, "active", seconds=12)
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect_mapped(guest, 1)


def switched_off(test):
    """apertured=off on the kernel's command line: the card is the host's, and the journal says why."""
    with test.boot(arguments="apertured=off") as guest:
        test.expect_driver(guest, 1, "bochs-drm")
        test.expect("nothing failed", guest.text("systemctl is-system-running") == "running",
                    guest.text("systemctl --failed --no-legend"))
        told = guest.text(f"journalctl -b --no-pager -o cat -u {unit(1)}")
        test.expect("the journal says why", "apertured=off" in told)


def disable_and_uninstall(test):
    """Installed, used, disabled, purged: after a reboot the card is the host's, and no file tells of us."""
    with test.boot(bare=True) as guest:
        guest.run(f"{TRACES} >/var/lib/systemd/lab-before")
        installed = guest.run(f"dpkg -i /run/lab/{PACKAGE}")
        test.expect("the package installs", installed.status == 0, installed.text)
        test.expect_driver(guest, 1, "bochs-drm")
        enabled = guest.run(f"systemctl enable --now {unit(1)}")
        test.expect("enable --now claims the card", enabled.status == 0 and guest.driver(1) == "vfio-pci", enabled.text)
        test.expect_mapped(guest, 1)
        guest.power_off()
    with test.boot() as guest:
        # The boot is over when multi-user.target is reached, which the unit may still be short of; what a stop does to
        # a start under way is stop_while_starting()'s business.
        test.expect("claimed at the next boot", guest.until(f"systemctl is-active {unit(1)}"))
        test.expect_mapped(guest, 1)
        disabled = guest.run(f"systemctl disable --now {unit(1)}")
        test.expect("disable --now succeeds", disabled.status == 0, disabled.text)
        test.expect_driver(guest, 1, "bochs-drm")
        purged = guest.run("dpkg --purge apertured")
        test.expect("the package can be purged", purged.status == 0, purged.text)
        test.expect("without a warning", "warning" not in purged.text, purged.text)
        guest.power_off()
    with test.boot() as guest:
        test.expect_driver(guest, 1, "bochs-drm")
        test.expect("nothing failed", guest.text("systemctl is-system-running") == "running",
                    guest.text("systemctl --failed --no-legend"))
        left = guest.text("find / -xdev -iname '*apertured*' -not -path '/run/lab/*' -not -path '/proc/*' "
                          "-not -path '/sys/*'; find /run -iname '*apertured*' -not -path '/run/lab/*'")
        test.expect("no file of that name is left", not left, left)
        guest.run(f"{TRACES} >/run/lab/after")
        more = guest.text("comm -13 /var/lib/systemd/lab-before /run/lab/after")
        test.expect("no other file is, either", not more, more)


def expect_proven(test, guest):
    told = guest.journal(f"MESSAGE_ID={PROVEN}", f"APERTURED_GPU={ADDRESS[1]}")
    test.expect("the journal says it is claimed and proven", len(told) == 1, f"{len(told)} entries")


def device(slot):
    return f"sys-subsystem-pci-devices-{ADDRESS[slot]}.device"


def neighbour(guest, slot):
    """What must not change of a card that is none of one's business."""
    return (guest.driver(slot), guest.text(f"systemctl show -P ActiveState -P MainPID -P NRestarts {unit(slot)}"),
            guest.read(f"/sys/bus/pci/devices/{ADDRESS[slot]}/resource"))


def bound(guest):
    return guest.run(f"[ -e {FRAMEBUFFER}/efi-framebuffer.0 ]").status == 0


SCENARIOS = (enabled_at_boot, start_and_stop, stop_while_starting, hotplug, refusal, late_framebuffer, watchdog,
             switched_off, disable_and_uninstall)
