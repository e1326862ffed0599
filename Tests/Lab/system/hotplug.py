"""Scenarios in which cards come and go."""

from .expectations import expect_active, expect_ended, plug_and_expect
from .guest import ADDRESS
from .trial import property_of, unit

CARD = f"/sys/bus/pci/devices/{ADDRESS[1]}"
# Without it the ports are operated by ACPI (acpiphp), as the other scenarios have it: QEMU's default since 6.1.
PCIEHP = ("ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",)
SINCE = "ActiveEnterTimestampMonotonic"


def hotplug(test):
    """Into an enabled slot: claimed. Into another: left alone. Gone while guarded, back by a rescan, pulled for good."""
    with test.boot(cards=(None, None)) as guest:
        test.expect_state(guest, 1, "inactive")
        plug_and_expect(test, guest, "plugged")
        guest.plug(2)
        test.expect("a card in slot 2 gets a driver", guest.until(f"[ -e /sys/bus/pci/devices/{ADDRESS[2]}/driver ]"))
        guest.run("udevadm settle; sleep 2")
        test.expect_driver(guest, 2, "bochs-drm")
        test.expect_state(guest, 2, "inactive")
        guest.run(f"echo 1 >{CARD}/remove")
        expect_ended(test, guest)
        guest.run("echo 1 >/sys/bus/pci/rescan")
        expect_active(test, guest, "back, it is claimed again")
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect_mapped(guest, 1)
        guest.pull(1)
        expect_ended(test, guest)
        test.expect_driver(guest, 2, "bochs-drm")
        test.expect_state(guest, 2, "inactive")


def plugged_again(test):
    """Pulled, and another card plugged into the same slot: claimed again. Pulled for good: the unit ends."""
    with test.boot(cards=(None, "bochs-display")) as guest:
        plug_and_expect(test, guest, "plugged")
        guest.pull(1)
        expect_ended(test, guest)
        # Another model of the same class: QEMU 7.2 keeps the first one's memory by name, and aborts over a second of it.
        plug_and_expect(test, guest, "another", card="secondary-vga")
        guest.pull(1)
        expect_ended(test, guest)
        test.expect_driver(guest, 2, "bochs-drm")
        test.expect_state(guest, 2, "inactive")


def hotplug_pciehp(test):
    """Plugged, pulled and plugged again through the port itself, as real machines' slots are operated, not by ACPI."""
    with test.boot(cards=(None, "bochs-display"), settings=PCIEHP) as guest:
        test.expect("the ports have a driver", guest.run("ls /sys/bus/pci_express/drivers/pciehp/*:pcie*").status == 0)
        plug_and_expect(test, guest, "plugged")
        guest.pull(1)
        expect_ended(test, guest)
        said = guest.text("dmesg | grep 'pciehp: Slot(1)'")
        test.expect("it was the port that told of it", "utton" in said, said)
        plug_and_expect(test, guest, "another", card="secondary-vga")
        test.expect_driver(guest, 2, "bochs-drm")
        test.expect_state(guest, 2, "inactive")


def removed_and_back(test):
    """Removed and rescanned at once, before the guard can have ended: claimed again each time."""
    with test.boot() as guest:
        expect_active(test, guest)
        for attempt in (1, 2, 3):
            before = property_of(guest, 1, SINCE)
            guest.run(f"echo 1 >{CARD}/remove; echo 1 >/sys/bus/pci/rescan")
            again = guest.until(f"[ $(systemctl show -P {SINCE} {unit(1)}) -gt {before} ] "
                                f"&& systemctl is-active {unit(1)}")
            test.expect(f"round {attempt}: the unit has started again", again,
                        lambda: guest.text(f"systemctl status --no-pager -l {unit(1)}"))
            test.expect_driver(guest, 1, "vfio-pci")
            test.expect_mapped(guest, 1)
        test.expect_stays(guest, 1, "active", seconds=7)
        test.expect_driver(guest, 2, "bochs-drm")
