"""Scenarios in which what lies below a guard changes: its package, the power, /proc."""

import contextlib
import os
import re
import subprocess
import tempfile
import time

import runner

from .disturbed import end, hold
from .expectations import (INTENDED, PROVEN, RELEASING, expect_active, expect_native, expect_proven,
                           expect_status, record, rungs_taken)
from .guest import ADDRESS
from .image import PACKAGE
from .trial import property_of, unit

CARD = f"/sys/bus/pci/devices/{ADDRESS[1]}"
NEWER = "apertured-newer.deb"


@contextlib.contextmanager
def newer(package):
    """The path of the same package with a higher version, and its version."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        tree, path = os.path.join(folder, "tree"), os.path.join(folder, NEWER)
        subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
        control = os.path.join(tree, "DEBIAN", "control")
        with open(control, encoding="utf-8") as stream:
            text = stream.read()
        version = re.search(r"^Version: (\S+)$", text, re.MULTILINE)[1] + "+lab"
        with open(control, "w", encoding="utf-8") as stream:
            stream.write(re.sub(r"^Version: .*$", f"Version: {version}", text, flags=re.MULTILINE))
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, path], check=True,
                       stdout=subprocess.DEVNULL)
        yield path, version


def standing(guest):
    """What no upgrade may change: the card's driver, its guard, its record, and what was done to the card."""
    done = len(guest.journal(*(f"MESSAGE_ID={kind}" for kind in (INTENDED, PROVEN, RELEASING))))
    return (guest.driver(1), guest.text(f"systemctl show -P ActiveState -P MainPID -P NRestarts {unit(1)}"),
            guest.text(f"cat /run/apertured/{ADDRESS[1]}*"), guest.read(f"{CARD}/resource"), done)


def install(test, guest, name, what):
    """dpkg alone, as apt calls it; the guard and the card have to be as they were."""
    before = standing(guest)
    installed = guest.run(f"dpkg -i /run/lab/{name}")
    test.expect(f"{what}: dpkg succeeds", installed.status == 0, installed.text)
    guest.run("udevadm settle; sleep 3; udevadm settle")
    after = standing(guest)
    test.expect(f"{what}: the guard, the card and its record are as they were", after == before, f"{before}; {after}")
    test.expect_state(guest, 1, "active")
    shown = guest.run(f"apertured status {ADDRESS[1]}")
    test.expect(f"{what}: the program that is installed now knows the claim",
                shown.status == 0 and "claimed" in shown.text, shown.text)
    test.expect(f"{what}: the guard still runs the program that it was started with", is_outdated(guest))


def is_outdated(guest):
    """Whether the guard's program is not the one that is installed."""
    return "(deleted)" in guest.text(f"readlink /proc/{property_of(guest, 1, 'MainPID')}/exe")


def restart(test, guest, what):
    old = property_of(guest, 1, "MainPID")
    restarted = guest.run(f"systemctl restart {unit(1)}")
    test.expect(f"{what}: a restart succeeds", restarted.status == 0, restarted.text)
    new = property_of(guest, 1, "MainPID")
    test.expect(f"{what}: another guard is there then", new not in (old, "0"), f"{old}, now {new}")
    test.expect(f"{what}: which runs the program that is installed", not is_outdated(guest))
    test.expect_driver(guest, 1, "vfio-pci")


def upgraded(test):
    """An upgrade, and a downgrade: the guard goes on with the program it has, a restart brings in the new one."""
    with newer(test.bench.package) as (path, version), \
            test.boot(files={PACKAGE: test.bench.package, NEWER: path}) as guest:
        expect_active(test, guest)
        install(test, guest, NEWER, "upgraded")
        shown = guest.text("dpkg-query -W -f '${Version}' apertured")
        test.expect("the new version is installed", shown == version, shown)
        restart(test, guest, "upgraded")
        expect_status(test, guest, "Claimed and proven: 2 BARs mapped.")
        test.expect_mapped(guest, 1)
        install(test, guest, PACKAGE, "downgraded")
        # A guard of one version, stopped by the program of another.
        stopped = guest.run(f"systemctl stop {unit(1)}")
        test.expect("a stop succeeds", stopped.status == 0, stopped.text)
        test.expect_stays(guest, 1, "inactive")
        test.expect_driver(guest, 1, "bochs-drm")
        test.expect("no record is left", not record(guest, 1))


def upgraded_in_use(test):
    """The same while a guest has the card: it keeps it, through a restart of the guard as well."""
    with newer(test.bench.package) as (path, _), \
            test.boot(files={"vfio-client": test.bench.client, NEWER: path}) as guest:
        expect_active(test, guest)
        holder = hold(test, guest)
        install(test, guest, NEWER, "upgraded")
        kept = record(guest, 1)
        restart(test, guest, "upgraded")
        expect_status(test, guest, f"vfio-client (pid {holder}")
        test.expect("with the record there was", kept and record(guest, 1) == kept)
        test.expect("and the client has what it had", guest.run(f"kill -0 {holder}").status == 0)
        end(test, guest, holder)
        stopped = guest.run(f"systemctl stop {unit(1)}")
        test.expect("a stop succeeds", stopped.status == 0, stopped.text)
        test.expect_stays(guest, 1, "inactive")
        test.expect_driver(guest, 1, "bochs-drm")


def removed(test):
    """Removed under a guard, and with a card claimed by hand: both are the host's. Installed again: claimed again."""
    with test.boot(files={PACKAGE: test.bench.package}) as guest:
        expect_active(test, guest)
        claimed = guest.run(f"apertured claim {ADDRESS[2]}")
        test.expect("another card is claimed by hand", claimed.status == 0, claimed.text)
        gone = guest.run("dpkg --remove apertured")
        test.expect("the package can be removed", gone.status == 0, gone.text)
        test.expect("with nothing to say of a card", "claimed" not in gone.text, gone.text)
        for slot in (1, 2):
            test.expect_driver(guest, slot, "bochs-drm")
            override = guest.read(f"/sys/bus/pci/devices/{ADDRESS[slot]}/driver_override")
            test.expect("its override is cleared", override == "(null)", override)
            test.expect("no record is left", not record(guest, slot))
        installed = guest.run(f"dpkg -i /run/lab/{PACKAGE}")
        test.expect("it can be installed again", installed.status == 0, installed.text)
        expect_active(test, guest, "the unit, which is still enabled, is active again")
        test.expect_mapped(guest, 1)


def removed_in_use(test):
    """Removed, and then purged, while a guest has the card: nothing hangs, the guest keeps it, and that is said."""
    with test.boot(files={"vfio-client": test.bench.client, PACKAGE: test.bench.package}) as guest:
        expect_active(test, guest)
        holder = hold(test, guest)
        kept = record(guest, 1)
        for how in ("--remove", "--purge"):
            gone = guest.run(f"dpkg {how} apertured")
            test.expect(f"dpkg {how} succeeds", gone.status == 0, gone.text)
            test.expect("it says which card stays claimed", "claimed" in gone.text and ADDRESS[1] in gone.text,
                        gone.text)
            if how == "--remove":
                test.expect("who has it", f"vfio-client (pid {holder}" in gone.text, gone.text)
                test.expect("and how to give it back", f"apertured release {ADDRESS[1]}" in gone.text, gone.text)
            test.expect_driver(guest, 1, "vfio-pci")
            test.expect("the record stays", kept and record(guest, 1) == kept)
            test.expect("and the client has what it had", guest.run(f"kill -0 {holder}").status == 0)
        end(test, guest, holder)
        test.expect_driver(guest, 1, "vfio-pci")
        # As it was said.
        installed = guest.run(f"dpkg -i /run/lab/{PACKAGE}")
        test.expect("the package can be installed again", installed.status == 0, installed.text)
        released = guest.run(f"apertured release {ADDRESS[1]}")
        test.expect("then the card can be given back", released.status == 0, released.text)
        test.expect_driver(guest, 1, "bochs-drm")
        test.expect("no record is left", not record(guest, 1))


SHORT_WATCHDOG = {f"systemd/system/{unit(1)}.d/lab.conf": "[Service]\nWatchdogSec=30\n"}
# In seconds. To memory: longer than the watchdog waits, whose clock stands still then. Suspended to idle it runs on
# here, because the emulated processor has no idle state that stops it; and the watchdog would be right to complain.
ASLEEP = {"s2idle": 5, "deep": 40}


def suspended(test):
    """Suspended to idle and to memory, and awake again: the same guard and the same claim, and not a word of either."""
    with test.boot(texts=SHORT_WATCHDOG, deadline=1200) as guest:
        expect_active(test, guest)
        before = standing(guest)
        offered = guest.read("/sys/power/mem_sleep")
        for how, seconds in ASLEEP.items():
            if not test.expect(f"the machine can be suspended: {how}", how in offered, offered):
                continue
            slept = int(guest.read("/sys/power/suspend_stats/success"))
            test.expect(f"{how}: it goes to sleep", guest.suspend(how))
            time.sleep(seconds)
            test.expect(f"{how}: it wakes up", guest.wake(how))
            now = int(guest.read("/sys/power/suspend_stats/success"))
            test.expect(f"{how}: which the kernel calls a success", now == slept + 1, f"{slept}, now {now}")
            # More than the watchdog's time.
            guest.run("udevadm settle; sleep 32; udevadm settle")
            after = standing(guest)
            test.expect(f"{how}: the guard, the card and its record are as they were", after == before,
                        f"{before}; {after}")
            test.expect_state(guest, 1, "active")
            test.expect_mapped(guest, 1)
            said = guest.text(f"journalctl -b --no-pager -q -o cat -p warning APERTURED_GPU={ADDRESS[1]}")
            test.expect(f"{how}: nothing is warned of", not said, said)
            guest.run(f"systemctl reload {unit(1)}")
            expect_status(test, guest, "Claimed and proven: 2 BARs mapped.")
            test.expect_driver(guest, 2, "bochs-drm")


# Not in root's group, which hidepid=2 hides nothing from.
AS_DAEMON = "setpriv --reuid=daemon --regid=daemon --clear-groups"
NOT_ALL_SEEING = "setpriv --inh-caps=-sys_ptrace --bounding-set=-sys_ptrace"


def hidepid(test):
    """/proc hides other users' processes: a claim sees them all the same, or refuses because it cannot."""
    native = f"/sys/bus/pci/devices/{ADDRESS[2]}/drm"
    with test.boot() as guest:
        expect_active(test, guest)
        test.expect_driver(guest, 2, "bochs-drm")
        for option in ("2", "ptraceable"):
            mounted = guest.run(f"mount -o remount,hidepid={option} /proc")
            hides = guest.run(f"{AS_DAEMON} [ -e /proc/1 ]").status != 0
            test.expect(f"hidepid={option}: processes are hidden", mounted.status == 0 and hides, mounted.text)
            guest.run(f"{AS_DAEMON} sleep 600 "
                      f"3</dev/dri/$(ls {native} | grep card) >/dev/null 2>&1 & echo $! >/run/lab/holder")
            holder = guest.read("/run/lab/holder")
            is_open = guest.until(f"grep -q sleep /proc/{holder}/comm && readlink /proc/{holder}/fd/3 | grep dri", 10)
            test.expect("another user's process has the card open", is_open)
            named = f"sleep (pid {holder}"
            started = guest.run(f"systemctl start {unit(2)}")
            said = property_of(guest, 2, "StatusText")
            test.expect(f"hidepid={option}: a start is refused, and names who has it",
                        started.status != 0 and named in said, said)
            claimed = guest.run(f"apertured claim {ADDRESS[2]}")
            test.expect(f"hidepid={option}: so is a claim by hand", claimed.status == 3 and named in claimed.text,
                        claimed.text)
            blind = guest.run(f"{NOT_ALL_SEEING} apertured claim --json {ADDRESS[2]}")
            test.expect(f"hidepid={option}: who may not look refuses for that reason",
                        blind.status == 3 and "holders-unknown" in blind.text, blind.text)
            test.expect_driver(guest, 2, "bochs-drm")
            guest.run(f"kill {holder}; systemctl reset-failed {unit(2)}")
            for verb, driver in (("start", "vfio-pci"), ("restart", "vfio-pci"), ("stop", "bochs-drm")):
                done = guest.run(f"systemctl {verb} {unit(2)}")
                test.expect(f"hidepid={option}: nobody has it, and a {verb} succeeds", done.status == 0,
                            lambda: property_of(guest, 2, "StatusText"))
                test.expect_driver(guest, 2, driver)
        shown = guest.run("apertured status")
        test.expect("status by hand succeeds", shown.status == 0 and "claimed" in shown.text, shown.text)
        expect_active(test, guest, "the other card's unit is as it was")


# With the two of every machine. Eight ports are the functions of one device. 64 pass as well: 63 starts in 446 s of
# emulation, each at its first try.
MANY = 24
ALL = "systemctl list-units --all --plain --no-legend 'apertured@*'"


def many_cards(test):
    """More cards than most machines have: all units are started at once, and then one card goes and comes back."""
    more = []
    for number in range(MANY - 2):
        slot, function = 3 + number // 8, number % 8
        more += [f"pcie-root-port,id=many{number},bus=pcie.0,addr={slot:x}.{function},multifunction=on,"
                 f"chassis={10 + number},slot={10 + number},io-reserve=0,mem-reserve=2M",
                 f"bochs-display,bus=many{number},addr=00.0,vgamem=4194304"]
    # Without the native driver, of which each card would get a text console.
    with test.boot(devices=more, arguments="modprobe.blacklist=bochs", deadline=3000, patience=1200) as guest:
        test.saw["boot"] = f"{guest.seconds_to_boot:.0f} s"
        expect_active(test, guest)
        cards = guest.text("grep -l '^0x0380' /sys/bus/pci/devices/*/class | cut -d/ -f6").split()
        test.expect(f"the machine has {MANY} cards", len(cards) == MANY, f"{len(cards)}")
        units = " ".join(f"apertured@{card}.service" for card in cards)
        begun = guest.uptime()
        started = guest.run(f"systemctl start {units}", 1500)
        took = guest.uptime() - begun
        test.saw[f"{len(cards) - 1} starts"] = f"{took:.0f} s"
        test.expect("all start", started.status == 0, started.text)
        states = guest.text(ALL).splitlines()
        active = [line for line in states if line.split()[2:4] == ["active", "running"]]
        test.expect("all are active", len(active) == len(cards), f"{len(active)}")
        tries = guest.text(f"systemctl show -P NRestarts {units} | grep . | sort | uniq -c", 300)
        test.expect("each at its first try", tries.split()[1::2] == ["0"], tries)
        failed = guest.text("journalctl -b --no-pager -q -o cat -p warning -t apertured")
        test.expect("nothing is warned of", not failed, failed)
        bound = guest.text("ls /sys/bus/pci/drivers/vfio-pci | grep -c ^0000:")
        test.expect("all are on vfio-pci", bound == str(len(cards)), bound)
        # One of them goes, and comes back, with the guards of all others looking on.
        one = cards[-1]
        pids = guest.text(f"systemctl show -P MainPID {units}", 300)
        since = guest.text("date +%s.%N")
        guest.run(f"echo 1 >/sys/bus/pci/devices/{one}/remove")
        ended = guest.until(f"systemctl is-active apertured@{one}.service | grep -q inactive")
        test.expect("its unit ends", ended)
        guest.run("echo 1 >/sys/bus/pci/rescan")
        guest.run("udevadm settle; sleep 10; udevadm settle")
        back = guest.run(f"systemctl start apertured@{one}.service")
        test.expect("back, it is claimed again", back.status == 0, back.text)
        now = guest.text(f"systemctl show -P MainPID {units}", 300)
        others = [line for line in zip(cards, pids.split(), now.split()) if line[0] != one and line[1] != line[2]]
        test.expect("the others have the guards they had", not others, f"{others}")
        spoke = guest.text(f"journalctl --since=@{since} --no-pager -q -o cat --output-fields=APERTURED_GPU "
                           "-t apertured | sort | uniq -c")
        test.expect("which had nothing to say", set(spoke.split()[1::2]) <= {one}, spoke)


def kexec(test):
    """Another boot without the firmware in between: nothing is given back, and the card is claimed and proven anew."""
    tool = runner.compile_tool("kexec", test.bench.logs)
    with test.boot(files={"kexec": tool}, again=True, deadline=1200) as guest:
        expect_active(test, guest)
        test.saw["rung before"] = rungs_taken(guest)
        boot = guest.read("/proc/sys/kernel/random/boot_id")
        # systemd does not ask for it if it is not there.
        guest.run("install -m 755 /run/lab/kexec /sbin/kexec")
        loaded = guest.run("kexec -l /run/lab/linux /run/lab/initramfs")
        if not test.expect("a kernel is loaded", loaded.status == 0, loaded.text):
            return
        guest.kexec()
        # A reboot would have ended the machine.
        test.expect("another kernel runs", guest.read("/proc/sys/kernel/random/boot_id") != boot)
        expect_active(test, guest)
        expect_proven(test, guest)
        test.saw["rung after"] = rungs_taken(guest) or "none"
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect_mapped(guest, 1)
        expect_native(test, guest, 1, 0)
        test.expect_driver(guest, 2, "bochs-drm")
        stopped = guest.run(f"systemctl stop {unit(1)}")
        test.expect("and can be given back", stopped.status == 0, stopped.text)
        test.expect_driver(guest, 1, "bochs-drm")
