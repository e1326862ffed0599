"""Scenarios with Plymouth, which draws to whatever the boot has found by then, the card that is to go among it."""

from .expectations import expect_active, expect_proven, expect_status, expect_told, WAITS
from .guest import ADDRESS
from .trial import message, ready_at, unit

# Without the second Plymouth stays away from graphics, because the lab's console is a serial line.
SPLASH = "splash plymouth.ignore-serial-consoles"
# The native driver, as an initramfs brings it: before udev and its rules.
EARLY = f"{SPLASH} lab.early=bochs"
# What takes Plymouth's place, as gdm does: it ends it, at the end of its own start.
MANAGER = """[Unit]
After=systemd-user-sessions.service
Conflicts=plymouth-quit.service
After=plymouth-quit.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/usr/bin/plymouth quit --retain-splash
"""
TEXTS = {"systemd/system/display-manager.service": MANAGER,
         "systemd/system/multi-user.target.d/lab.conf": "[Unit]\nWants=display-manager.service\n"}


def splash_native(test):
    """The splash comes up with an early native driver: the claim is made before the display manager, and the host's card
    stays with its driver. In an emulated machine Plymouth is mostly too slow to have the card by then; if it has, it is
    asked to end."""
    with test.boot(arguments=EARLY, texts=TEXTS) as guest:
        expect_active(test, guest)
        expect_shown(test, guest)
        expect_asked(test, guest)
        expect_claimed(test, guest)
        test.expect_driver(guest, 2, "bochs-drm")
        stopped = guest.run(f"systemctl stop {unit(1)}")
        test.expect("systemctl stop succeeds", stopped.status == 0, stopped.text)
        test.expect_driver(guest, 1, "bochs-drm")


def splash_framebuffer(test):
    """The splash has the firmware's framebuffer at most: the claim is made, at the first try."""
    with test.boot(arguments=f"{SPLASH} modprobe.blacklist=bochs", texts=TEXTS) as guest:
        expect_active(test, guest)
        expect_shown(test, guest)
        expect_asked(test, guest)
        expect_claimed(test, guest)


def splash_stays(test):
    """Something else has the card at boot, and keeps it: it is waited for, for half a minute, and asked nothing; the unit
    is refused then, and the display manager starts."""
    keeps = ("[Unit]\nDefaultDependencies=no\nBefore=sysinit.target\n"
             "[Service]\nExecStart=/bin/sh -c 'exec 3<>/dev/dri/card0; exec sleep 600'\n")
    texts = {**TEXTS, "systemd/system/keeps.service": keeps,
             "systemd/system/sysinit.target.d/lab.conf": "[Unit]\nWants=keeps.service\n"}
    with test.boot(arguments="lab.early=bochs", texts=texts) as guest:
        test.expect("the unit has failed", guest.until(f"systemctl is-failed {unit(1)}", 120))
        expect_told(test, guest, WAITS, "that it waits")
        expect_status(test, guest, "Refused: ")
        test.expect("nobody was asked to end", said(guest, "asking the boot splash") == 0)
        test.expect("what has the card runs", guest.text("systemctl is-active keeps.service") == "active")
        test.expect_driver(guest, 1, "bochs-drm")
        test.expect("the display manager starts all the same", guest.until("systemctl is-active display-manager.service"))


def said(guest, words):
    """How often the guard has said that."""
    lines = [message(entry) for entry in guest.journal(f"APERTURED_GPU={ADDRESS[1]}")]
    return len([line for line in lines if words in line])


def expect_asked(test, guest):
    """Where the splash had the card, it was waited for, and asked once."""
    waited = said(guest, "in use while the machine boots, so the claim waits: plymouthd")
    asked = said(guest, "asking the boot splash to end: plymouthd")
    test.saw["splash on the card"] = "yes" if waited else "no"
    test.expect("the splash was asked to end if it was in the way", asked == (1 if waited else 0), f"{waited}, {asked}")


def expect_shown(test, guest):
    shown = guest.text("systemctl show -P ExecMainStartTimestampMonotonic plymouth-start.service")
    test.expect("Plymouth was there", shown not in ("", "0"), shown)


def expect_claimed(test, guest):
    test.expect_driver(guest, 1, "vfio-pci")
    test.expect_mapped(guest, 1)
    expect_proven(test, guest)
    test.expect("the display manager was started",
                guest.until("[ $(systemctl show -P ActiveEnterTimestampMonotonic display-manager.service) -gt 0 ]"))
    manager = int(guest.text("systemctl show -P InactiveExitTimestampMonotonic display-manager.service")) / 1e6
    ready = ready_at(guest, 1)
    test.expect("the claim comes before the display manager", 0 < ready <= manager, f"{ready} and {manager}")
    test.expect("at the first try", guest.text(f"systemctl show -P NRestarts {unit(1)}") == "0")
    test.expect("Plymouth has ended", guest.until("! pidof plymouthd"))
