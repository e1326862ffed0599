"""The package's own life: installed, used, purged."""

from .expectations import expect_active
from .guest import ADDRESS
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
        expect_no_warning(test, purged)
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


def expect_no_warning(test, purged):
    # Debian 12's systemd has this folder by the name of /lib, so that dpkg takes it for ours alone.
    harmless = "directory '/usr/lib/systemd/system-generators' not empty so not removed"
    warnings = [line for line in purged.text.splitlines() if "warning" in line and harmless not in line]
    test.expect("without a warning", not warnings, purged.text)


def new_user(test):
    """From the package to a claimed card and back, in the order of the README. The log is what a newcomer sees."""
    card = ADDRESS[1]
    with test.boot(bare=True) as guest:
        def succeeds(command, *words):
            shown = guest.run(f"COLUMNS=80 {command}", 300)
            test.expect(f"{command} succeeds", shown.status == 0, shown.text)
            for word in words:
                test.expect(f"it says: {word}", word in shown.text, shown.text)
            return shown

        succeeds(f"dpkg -i /run/lab/{PACKAGE}")
        succeeds("apertured --version", "apertured ")
        succeeds("apertured status", card, "bochs-drm")
        succeeds(f"apertured doctor {card}", "✓", "is not enabled")
        succeeds(f"apertured enable --now {card}", "the plan's verdict is claim", "pinned in", "enabled:")
        test.expect_driver(guest, 1, "vfio-pci")
        succeeds(f"apertured status {card}", "claimed", f"by {unit(1)}", "2 BARs proven", "enabled, pinned")
        test.expect_mapped(guest, 1)
        succeeds(f"apertured log {card} -- --no-pager", "claimed and proven: 2 of 2 BARs mapped")
        succeeds(f"apertured report {card} --output /root/report.tar.gz")
        succeeds("tar -xzf /root/report.tar.gz -C /root && cat /root/apertured-report/README", card)
        succeeds(f"apertured status --root /root/apertured-report {card}", "claimed")
        guest.run("rm -r /root/report.tar.gz /root/apertured-report")
        succeeds(f"apertured disable --now {card}")
        test.expect_driver(guest, 1, "bochs-drm")
        succeeds(f"apertured status {card}", "host")
        expect_no_warning(test, succeeds("dpkg --purge apertured"))
        left = guest.text("find / -xdev -iname '*apertured*' -not -path '/run/lab/*' -not -path '/proc/*' "
                          "-not -path '/sys/*'; find /run -iname '*apertured*' -not -path '/run/lab/*'")
        test.expect("no file of that name is left", not left, left)
