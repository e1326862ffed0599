"""Scenarios with one guard for several cards: apertured.service, beside or instead of the cards' own units."""

from .drivers import PARAMETERS, expect_stuck, give_to_lab_gpu, seconds_of
from .expectations import (LATE, bind_framebuffer, expect_active, expect_native, expect_nothing_left,
                           framebuffer_is_bound)
from .guest import ADDRESS
from .trial import unit

SERVICE = "apertured.service"
CONFIGURATION = "[GPU]\nId=1234:1111\nMultiple=yes\nEnabled=yes\n"
PATIENCE = 300


def more_cards(count):
    """So many cards beside those of the two slots."""
    words = []
    for number in range(count):
        slot, function = 3 + number // 8, number % 8
        words += [f"pcie-root-port,id=more{number},bus=pcie.0,addr={slot:x}.{function},multifunction=on,"
                  f"chassis={10 + number},slot={10 + number},io-reserve=0,mem-reserve=2M",
                  f"bochs-display,id=more-card{number},bus=more{number},addr=00.0,vgamem=4194304"]
    return words


def one_guard(test):
    """Eight cards of one guard: none is taken from a card's own unit, a reload takes what is free, a killed guard is
    followed by one that takes its cards over, a card goes and comes back, a stop gives all of them back."""
    with test.boot(devices=more_cards(6), deadline=2400, patience=600) as guest:
        expect_active(test, guest)
        cards = guest.text("grep -l '^0x0380' /sys/bus/pci/devices/*/class | cut -d/ -f6").split()
        test.expect("the machine has 8 cards", len(cards) == 8, f"{cards}")
        begun = guest.uptime()
        started = guest.run(f"systemctl start {SERVICE}", PATIENCE)
        test.saw["start"] = f"{guest.uptime() - begun:.1f} s"
        test.expect("the service starts", started.status == 0, lambda: status(guest))
        expect_says(test, guest, "7 of 8 claimed.", f"{ADDRESS[1]}: Refused: locked: Another guard has the card: {unit(1)}")
        test.expect_state(guest, 1, "active")
        test.expect_driver(guest, 2, "vfio-pci")
        # Its own unit gives the card back, and the one guard takes it when it is asked to look again.
        guest.run(f"systemctl stop {unit(1)}", PATIENCE)
        test.expect_driver(guest, 1, "bochs-drm")
        guest.run(f"systemctl reload {SERVICE}", PATIENCE)
        expect_says(test, guest, "8 of 8 claimed.")
        refused = guest.run(f"systemctl start {unit(1)}", PATIENCE)
        test.expect("the card's own unit is refused now", refused.status != 0, refused.text)
        told = guest.text(f"systemctl status -l --no-pager {unit(1)}")
        test.expect("with the guard's name", f"Another guard has the card: {SERVICE}" in told, told)
        for card in (1, 2):
            test.expect_driver(guest, card, "vfio-pci")
            test.expect_mapped(guest, card)
        test.saw["resident"] = f"{resident(guest)} KiB"
        expect_killed(test, guest, cards)
        expect_replugged(test, guest)
        stopped = guest.run(f"systemctl stop {SERVICE}", PATIENCE)
        test.expect("the service stops", stopped.status == 0, lambda: status(guest))
        for card in (1, 2):
            test.expect_driver(guest, card, "bochs-drm")
            test.expect("no record is left", not records(guest, card), records(guest, card))
        failed = guest.text(f"systemctl is-failed {SERVICE}")
        test.expect("it has not failed", failed == "inactive", failed)


def expect_killed(test, guest, cards):
    """Killed, it comes back and takes the claims over: nothing is given back in between."""
    before = guest.text(f"systemctl show -P MainPID {SERVICE}")
    guest.run(f"kill -9 {before}")
    back = guest.until(f"[ $(systemctl show -P MainPID {SERVICE}) != {before} ] && systemctl -q is-active {SERVICE}", PATIENCE)
    test.expect("killed, it is started again", back, lambda: status(guest))
    expect_says(test, guest, "8 of 8 claimed.")
    bound = guest.text("ls /sys/bus/pci/drivers/vfio-pci | grep -c ^0000:")
    test.expect("all cards are still on vfio-pci", bound == str(len(cards)), bound)


def expect_replugged(test, guest):
    guest.run(f"echo 1 >/sys/bus/pci/devices/{ADDRESS[2]}/remove")
    expect_says(test, guest, "7 of 8 claimed.")
    guest.run("echo 1 >/sys/bus/pci/rescan")
    expect_says(test, guest, "8 of 8 claimed.")
    test.expect_driver(guest, 2, "vfio-pci")
    test.expect_mapped(guest, 2)


def at_boot(test):
    """Enabled, it has the cards before their native drivers, and a framebuffer that comes late is evicted. With keep a
    restart leaves the cards claimed, also one that a client has."""
    with test.boot(cards=("bochs-display", "bochs-display")) as guest:
        guest.run(f"systemctl disable {unit(1)}; systemctl enable {SERVICE}")
        guest.run(f"mkdir -p /etc/apertured.conf.d; printf '{CONFIGURATION}' >/etc/apertured.conf.d/lab.conf".replace("\n", "\\n"))
        guest.power_off()
    with test.boot(files={"vfio-client": test.bench.client}) as guest:
        test.expect("the service is active", guest.until(f"systemctl -q is-active {SERVICE}", PATIENCE), lambda: status(guest))
        expect_says(test, guest, "2 of 2 claimed.")
        for slot in (1, 2):
            expect_native(test, guest, slot, 0)
            test.expect_mapped(guest, slot)
        bind_framebuffer(guest)
        told = guest.until(f"journalctl -b --no-pager -q MESSAGE_ID={LATE} | grep -q .", 30)
        test.expect("a late framebuffer is told", told)
        test.expect("and evicted", guest.until(f"! {FRAMEBUFFER_BOUND}", 30) and not framebuffer_is_bound(guest))
        guest.run(f"mkdir -p /run/systemd/system/{SERVICE}.d; printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/apertured guard "
                  f"--lock-wait 300 --on-stop keep\\n' >/run/systemd/system/{SERVICE}.d/keep.conf; systemctl daemon-reload")
        guest.run(f"systemctl restart {SERVICE}", PATIENCE)
        guest.run(f"/run/lab/vfio-client {ADDRESS[1]} hold 600 >/run/lab/held 2>&1 & echo $! >/run/lab/holder; sleep 2")
        guest.run(f"systemctl restart {SERVICE}", PATIENCE)
        expect_says(test, guest, "2 of 2 claimed.")
        used = guest.text(f"apertured status {ADDRESS[1]}")
        test.expect("the client has its card all the time", "in use" in used and "vfio-client" in used, used)
        guest.run("kill $(cat /run/lab/holder)")
        guest.run(f"systemctl stop {SERVICE}", PATIENCE)
        test.expect_driver(guest, 2, "vfio-pci")
        test.expect("with keep the record stays", records(guest, 2))


# A write that hangs is told after 5 seconds.
SHORT = ("[Service]\nExecStart=\nExecStart=/usr/bin/apertured guard --lock-wait 30 --write-deadline 5 --on-stop release\n"
         "ExecStopPost=\nExecStopPost=-/usr/bin/apertured recover --quiet --lock-wait 30 --write-deadline 5\n")
FIRST = f"[GPU]\nAddress={ADDRESS[1]}\nEnabled=yes\n"


def beside_hang(test):
    """A reload adds a card whose driver cannot let go: the other card stays proven, its late framebuffer is evicted, and
    it is given back by a stop, as if it were alone. What hangs is named, and put in order when it comes back."""
    with test.boot() as guest:
        expect_active(test, guest)
        guest.run(f"systemctl disable {unit(1)}; systemctl enable {SERVICE}; mkdir -p /etc/apertured.conf.d")
        guest.run(f"printf '{FIRST}' >/etc/apertured.conf.d/lab.conf".replace("\n", "\\n"))
        guest.power_off()
    with test.boot(texts={f"systemd/system/{SERVICE}.d/lab.conf": SHORT}) as guest:
        test.expect("the service is active", guest.until(f"systemctl -q is-active {SERVICE}", PATIENCE), lambda: status(guest))
        expect_says(test, guest, "1 of 1 claimed.")
        give_to_lab_gpu(test, guest)
        guest.run(f"echo 1 >{PARAMETERS}/users")
        second = f"[GPU]\nAddress={ADDRESS[2]}\nEnabled=yes\n"
        guest.run(f"printf '{second}' >/etc/apertured.conf.d/second.conf".replace("\n", "\\n"))
        reloaded = seconds_of(guest, f"systemctl reload {SERVICE}")
        test.expect("a reload does not wait for it", reloaded < 5, f"{reloaded:.1f} s")
        hangs = guest.until("grep -l gpu_remove /proc/[0-9]*/stack", 60)
        test.expect("the second card's unbind hangs", hangs, lambda: status(guest))
        process = expect_stuck(test, guest, "gpu_remove")
        expect_says(test, guest, "1 of 2 claimed.", f"{ADDRESS[2]}: Failed: ")
        test.expect_mapped(guest, 1)
        bind_framebuffer(guest)
        begun = guest.uptime()
        test.expect("a late framebuffer is evicted", guest.until(f"! {FRAMEBUFFER_BOUND}", 30), lambda: status(guest))
        test.saw["evicted after"] = f"{guest.uptime() - begun:.1f} s"
        stopped = seconds_of(guest, f"systemctl stop {SERVICE}")
        test.saw["stop"] = f"{stopped:.1f} s"
        test.expect("a stop ends in time", stopped < 75, f"{stopped:.1f} s")
        test.expect("the first card is given back", not records(guest, 1), lambda: status(guest))
        expect_nothing_left(test, guest, 1)
        override = guest.read(f"/sys/bus/pci/devices/{ADDRESS[1]}/driver_override")
        test.expect("and has no override", override == "(null)", override)
        test.expect("the second card's record stays", records(guest, 2))
        guest.run(f"echo 0 >{PARAMETERS}/users")
        test.expect("the write comes back", guest.until(f"[ ! -e /proc/{process} ]", 20))
        recovered = guest.run("apertured recover")
        test.expect("apertured recover does the rest", recovered.status == 0, recovered.text)
        test.expect("no record is left", not records(guest, 2), records(guest, 2))


FRAMEBUFFER_BOUND = "[ -e /sys/bus/platform/drivers/efi-framebuffer/efi-framebuffer.0 ]"


def many_cards(test):
    """24 cards of one guard: what each further card costs."""
    with test.boot(devices=more_cards(22), arguments="modprobe.blacklist=bochs", deadline=2400, patience=600) as guest:
        guest.run(f"systemctl stop {unit(1)}", PATIENCE)
        begun = guest.uptime()
        started = guest.run(f"systemctl start {SERVICE}", PATIENCE)
        test.saw["start"] = f"{guest.uptime() - begun:.1f} s"
        test.expect("the service starts", started.status == 0, lambda: status(guest))
        expect_says(test, guest, "24 of 24 claimed.")
        test.saw["resident"] = f"{resident(guest)} KiB"
        stopped = guest.run(f"systemctl stop {SERVICE}", PATIENCE)
        test.expect("the service stops", stopped.status == 0, lambda: status(guest))
        bound = guest.text("ls /sys/bus/pci/drivers/vfio-pci | grep -c ^0000:")
        test.expect("no card is on vfio-pci", bound == "0", bound)


def resident(guest):
    return int(guest.text(f"awk '/VmRSS/ {{print $2}}' /proc/$(systemctl show -P MainPID {SERVICE})/status") or 0)


def records(guest, slot):
    return guest.text(f"ls /run/apertured/{ADDRESS[slot]}.json 2>/dev/null")


def status(guest):
    return guest.text(f"systemctl status -l --no-pager {SERVICE}; journalctl -b --no-pager -o cat -u {SERVICE} | tail -n 40")


def expect_says(test, guest, *parts):
    """What `systemctl status` shows of it."""
    for part in filter(None, parts):
        said = guest.until(f"systemctl show -P StatusText {SERVICE} | grep -qF '{part}'", 60)
        test.expect(f"its status says: {part}", said, lambda: status(guest))
