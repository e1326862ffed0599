"""The package's own life: installed, used, purged."""

from .expectations import expect_active
from .image import PACKAGE, TRACES
from .trial import unit


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
        expect_active(test, guest, "claimed at the next boot")
        test.expect_mapped(guest, 1)
        disabled = guest.run(f"systemctl disable --now {unit(1)}")
        test.expect("disable --now succeeds", disabled.status == 0, disabled.text)
        test.expect_driver(guest, 1, "bochs-drm")
        # What an administrator leaves, too.
        guest.run(f"systemctl mask {unit(2)}")
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
