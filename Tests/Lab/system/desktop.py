"""Scenarios with a display server that has the card: greetd, which opens a session for weston as a display manager does for
its greeter. weston draws without OpenGL, on the card's own DRM driver.
"""

from .expectations import expect_active, record
from .guest import ADDRESS
from .stories import DESKTOP, INACTIVE, Teller
from .trial import unit

# A display server starts here in half a minute.
PATIENCE = 180
OPTIONS = {"deadline": 2400, "patience": 600}
DISPLAY = "display-manager.service"
# As the page has it.
CONFIGURATION = "/etc/apertured.conf.d/50-desktop.conf"
SECTION = "[GPU]\\nAddress=0000:02:00.0\\nStop=display-manager.service\\n"
# The names of the processes that have a node of slot 2's card open.
HOLDERS = (f"for node in $(ls /sys/bus/pci/devices/{ADDRESS[2]}/drm); do for process in /proc/[0-9]*; do "
           "ls -l $process/fd 2>/dev/null | grep -q \"/dev/dri/$node$\" && cat $process/comm; done; done | sort | uniq -c")
CLAIM = f"apertured claim {ADDRESS[2]} --stop {DISPLAY}"
ROUNDS = 10


def leaves_and_returns(test):
    """The display manager leaves the card for a claim and comes back with the release, ten times; a claim that fails, and one
    that is killed, bring it back too."""
    with test.boot(**OPTIONS) as guest:
        expect_active(test, guest)
        test.expect_driver(guest, 2, "bochs-drm")
        started = guest.run(f"systemctl start {DISPLAY}", PATIENCE)
        test.expect("the display manager starts", started.status == 0, started.text)
        expect_shown(test, guest, "at first")
        shown = guest.text(HOLDERS, PATIENCE)
        test.saw["holders"] = " ".join(shown.split())
        expect_story(test, guest)
        for number in range(1, ROUNDS + 1):
            expect_round(test, guest, number)
        again = guest.text(HOLDERS, PATIENCE)
        test.expect("the same processes have the card as before", again == shown, f"{again!r}, not {shown!r}")
        expect_failing(test, guest)
        expect_killed(test, guest)
        expect_round(test, guest, "after all of it")


def expect_story(test, guest):
    """As the page tells it. Without the key nothing is stopped."""
    tell = Teller(DESKTOP, test)
    tell(guest, "apertured status --verbose", ADDRESS[2], "weston")
    tell(guest, "apertured plan 0000:02:00.0", "in-use", "weston", status=3)
    refused = guest.run(f"apertured claim {ADDRESS[2]}", PATIENCE)
    test.expect("the claim is refused, with the display server's name",
                refused.status == 3 and "in-use" in refused.text and "weston" in refused.text, refused.text)
    expect_shown(test, guest, "after the refusal")
    tell(guest, "apertured plan 0000:02:00.0 --stop display-manager.service", "stop-unit", "greetd.service")
    expect_shown(test, guest, "after the plan")
    guest.run(f"mkdir -p /etc/apertured.conf.d; printf '{SECTION}' >{CONFIGURATION}")
    tell(guest, "systemctl start apertured@0000:02:00.0.service", seconds=PATIENCE)
    tell(guest, "systemctl status apertured@0000:02:00.0.service", "Claimed and proven: 2 BARs mapped.")
    test.expect_mapped(guest, 2)
    tell(guest, "systemctl is-active display-manager.service", "inactive", status=INACTIVE)
    tell(guest, "systemctl stop apertured@0000:02:00.0.service", seconds=PATIENCE)
    expect_shown(test, guest, "after the stop")
    tell(guest, "systemctl is-active display-manager.service", "active")
    tell(guest, "apertured status 0000:02:00.0", "host")
    tell.end()


def expect_round(test, guest, name):
    began = guest.uptime()
    started = guest.run(f"systemctl start {unit(2)}", PATIENCE)
    test.expect(f"round {name}: the unit starts", started.status == 0,
                lambda: guest.text(f"systemctl status -l --no-pager {unit(2)}"))
    if name == 1:
        test.saw["claim"] = f"{guest.uptime() - began:.1f} s"
    test.expect_driver(guest, 2, "vfio-pci")
    test.expect_mapped(guest, 2)
    state = guest.text(f"systemctl is-active {DISPLAY}")
    test.expect(f"round {name}: the display manager is stopped", state == "inactive", state)
    began = guest.uptime()
    stopped = guest.run(f"systemctl stop {unit(2)}", PATIENCE)
    test.expect(f"round {name}: the unit stops", stopped.status == 0, stopped.text)
    test.expect_driver(guest, 2, "bochs-drm")
    expect_shown(test, guest, f"after round {name}")
    if name == 1:
        test.saw["release to display"] = f"{guest.uptime() - began:.1f} s"
    test.expect("no record is left", not record(guest, 2))


def expect_failing(test, guest):
    """The proof has nothing to open: everything is undone."""
    guest.run("mv /dev/vfio/vfio /dev/vfio/away")
    failed = guest.run(CLAIM, PATIENCE)
    guest.run("mv /dev/vfio/away /dev/vfio/vfio")
    test.expect("a claim that is not proven fails, and everything is as it was", failed.status == 1, failed.text)
    test.expect_driver(guest, 2, "bochs-drm")
    expect_shown(test, guest, "after the claim that failed")
    test.expect("no record is left", not record(guest, 2))


def expect_killed(test, guest):
    """Killed when the display manager has stopped."""
    guest.run(f"{CLAIM} >/run/claim 2>&1 & claim=$!; "
              f"while systemctl -q is-active {DISPLAY}; do sleep 0.1; done; kill -9 $claim; wait $claim", PATIENCE)
    test.expect("the claim was interrupted", record(guest, 2), lambda: guest.text("cat /run/claim"))
    state = guest.text(f"systemctl is-active {DISPLAY}")
    test.expect("the display manager is stopped", state != "active", state)
    recovered = guest.run("apertured recover", PATIENCE)
    test.expect("apertured recover succeeds", recovered.status == 0, recovered.text)
    test.expect_driver(guest, 2, "bochs-drm")
    expect_shown(test, guest, "after recover")
    test.expect("no record is left", not record(guest, 2))


def expect_shown(test, guest, when):
    """The display server has the card open."""
    shown = guest.until(f"systemctl -q is-active {DISPLAY} && {{ {HOLDERS}; }} | grep -q weston", PATIENCE)
    test.expect(f"{when}: the display server has the card", shown,
                lambda: guest.text(f"systemctl status -l --no-pager {DISPLAY}; {HOLDERS}; cat /tmp/weston.log"))
