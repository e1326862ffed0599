"""Scenarios in which the card is not to be claimed: refused, by the machine or by the administrator, or switched off."""

from .expectations import MISMATCH, REFUSED, expect_active, expect_refused
from .guest import ADDRESS
from .trial import unit


def refusal(test):
    """No IOMMU: refused once, with the reason where a person looks for it; the card is the host's."""
    with test.boot(iommu=False) as guest:
        expect_refused(test, guest, REFUSED, "no-iommu", "no-iommu")
        explained = guest.text(f"journalctl -b -x --no-pager MESSAGE_ID={REFUSED}")
        test.expect("journalctl -x explains it", "Nothing was written." in explained)


def refused_at_boot(test):
    """A kernel on which the card cannot be freed without a word from the administrator: refused once, with the reason."""
    with test.boot() as guest:
        expect_refused(test, guest, REFUSED, test.case.code, test.case.code)


def refused_by_conf(test):
    """The card at the enabled address is not the one that the configuration names: refused at boot, once and loudly."""
    with test.boot() as guest:
        expect_active(test, guest, "without the file it is claimed")
        guest.run("mkdir -p /etc/apertured.conf.d; printf '[GPU]\\nAddress=%s\\nId=10de:1c82\\n' "
                  f"{ADDRESS[1]} >/etc/apertured.conf.d/50-guest.conf")
        guest.power_off()
    with test.boot() as guest:
        expect_refused(test, guest, MISMATCH, "configuration-mismatch",
                       f"the card at {ADDRESS[1]} is not the one that was meant: Id=10de:1c82, but it is 1234:1111")
        shown = guest.text(f"systemctl status --no-pager -l {unit(1)}")
        test.expect("with the file and the line", "/etc/apertured.conf.d/50-guest.conf:1" in shown, shown)
        # What the administrator does next.
        guest.run("rm /etc/apertured.conf.d/50-guest.conf")
        started = guest.run(f"systemctl start {unit(1)}")
        test.expect("without the file it can be started", started.status == 0, started.text)
        test.expect_driver(guest, 1, "vfio-pci")


def switched_off(test):
    """apertured=off on the kernel's command line: the card is the host's, and the journal says why."""
    with test.boot(arguments="apertured=off") as guest:
        test.expect_driver(guest, 1, "bochs-drm")
        test.expect("nothing failed", guest.text("systemctl is-system-running") == "running",
                    guest.text("systemctl --failed --no-legend"))
        told = guest.text(f"journalctl -b --no-pager -o cat -u {unit(1)}")
        test.expect("the journal says why", "apertured=off" in told)


def masked(test):
    """Enabled, and the template masked: nothing starts it, and the udev rule keeps nothing for it."""
    with test.boot() as guest:
        expect_active(test, guest, "without the mask it is claimed")
        guest.run("systemctl mask apertured@.service")
        guest.power_off()
    with test.boot() as guest:
        for slot in (1, 2):
            test.expect_driver(guest, slot, "bochs-drm")
            override = guest.read(f"/sys/bus/pci/devices/{ADDRESS[slot]}/driver_override")
            test.expect(f"the card in slot {slot} has no override", override == "(null)", override)
        test.expect_state(guest, 1, "inactive")
        test.expect("nothing failed", guest.text("systemctl is-system-running") == "running",
                    lambda: guest.text("systemctl --failed --no-legend"))
