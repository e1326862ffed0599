"""Scenarios in which the card is not to be claimed: refused, by the machine or by the administrator, or switched off."""

from .expectations import MISMATCH, REFUSED, expect_active, expect_refused
from .guest import ADDRESS
from .trial import unit


def refusal(test):
    """No IOMMU: refused once, with the reason where a person looks for it; the card is the host's."""
    with test.boot(iommu="") as guest:
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


def wrong_name(test):
    """Enabled under a name without the domain: it fails at once and says why, and the boot does not wait for it."""
    wrong = f"apertured@{ADDRESS[2].removeprefix('0000:')}.service"
    with test.boot() as guest:
        expect_active(test, guest)
        enabled = guest.run(f"systemctl enable {wrong}")
        test.expect("systemctl enable makes the links", enabled.status == 0, enabled.text)
        before = guest.uptime()
        started = guest.run(f"systemctl start {wrong}")
        test.saw["fails after"] = f"{guest.uptime() - before:.1f} s"
        test.expect("a start fails", started.status != 0)
        expect_wrong(test, guest, wrong)
        guest.power_off()
    with test.boot() as guest:
        expect_active(test, guest, "the other card is claimed")
        expect_wrong(test, guest, wrong)
        jobs = guest.text("systemctl list-jobs --no-legend")
        test.expect("nothing is waited for", not jobs or "No jobs" in jobs, jobs)
        waited = guest.text("journalctl -b --no-pager -q -o cat | grep 'sys-subsystem-pci-devices-02:00.0.device'")
        test.expect("nor was it", not waited, waited)
        test.expect_driver(guest, 2, "bochs-drm")
        disabled = guest.run(f"systemctl disable {wrong}")
        test.expect("it can be disabled", disabled.status == 0, disabled.text)
        left = guest.text("find /etc/systemd -name 'apertured@02*'; find /run/systemd -name 'apertured@02*'")
        test.expect("and nothing of it is left", not left, left)


def expect_wrong(test, guest, wrong):
    test.expect(f"{wrong} has failed", guest.until(f"systemctl is-failed {wrong}", 10))
    status = guest.text(f"systemctl show -P ExecMainStatus {wrong}")
    test.expect("by its own command", status == "2", status)
    shown = guest.text(f"systemctl status --no-pager -l {wrong}")
    test.expect("systemctl status says why", "not the PCI address of a GPU" in shown, shown)


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
