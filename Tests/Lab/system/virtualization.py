"""Scenarios with something that starts guests: libvirt's daemon, and a domain that gets a card.

The domain is emulated in an emulated machine, and never gets beyond its firmware: what libvirt does with the card is over
by then.
"""

from .expectations import TAKEN, expect_active, expect_status
from .guest import ADDRESS
from .stories import INACTIVE, LIBVIRT, Teller
from .trial import property_of, unit

# Two minutes here are a second on a machine. The daemon asks its emulator what it can do before the first start.
PATIENCE = 420
OPTIONS = {"deadline": 2400, "patience": 600}
HOOK = "/etc/libvirt/hooks/qemu.d/apertured"


def domain(name, number, managed="", slot=0):
    """A domain's XML: as small as it can be, and with the card in that slot."""
    card = ""
    if slot:
        card = (f"<hostdev mode='subsystem' type='pci' managed='{managed}'><source>"
                f"<address domain='0' bus='{slot}' slot='0' function='0'/></source></hostdev>")
    return (f"<domain type='qemu'><name>{name}</name><uuid>00000000-0000-4000-8000-00000000000{number}</uuid>"
            "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>"
            "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/>"
            f"<memballoon model='none'/>{card}</devices></domain>\n")


DOMAINS = {"guest": domain("guest", 1, "yes", 2), "unmanaged": domain("unmanaged", 2, "no", 2),
           "enabled": domain("enabled", 3, "yes", 1), "plain": domain("plain", 4)}
TEXTS = {f"lab-domains/{name}.xml": text for name, text in DOMAINS.items()}


def define(test, guest, *names):
    # The first word to it starts it, by its socket.
    asked = guest.run("virsh version", PATIENCE)
    test.expect("libvirt's daemon answers", asked.status == 0,
                lambda: guest.text("journalctl -b --no-pager -o cat -u libvirtd.service | tail -n 20"))
    for name in names:
        defined = guest.run(f"virsh define /run/lab-domains/{name}.xml", PATIENCE)
        test.expect(f"libvirt knows the domain {name}", defined.status == 0, defined.text)


def expect_started(test, guest, name):
    started = guest.run(f"virsh start {name}", PATIENCE)
    test.expect(f"virsh starts the domain {name}", started.status == 0, started.text)
    expect_state(test, guest, name, "running")


def expect_destroyed(test, guest, name):
    destroyed = guest.run(f"virsh destroy {name}", PATIENCE)
    test.expect(f"virsh ends the domain {name}", destroyed.status == 0, destroyed.text)
    expect_state(test, guest, name, "shut off")


def expect_state(test, guest, name, state):
    found = guest.text(f"virsh domstate {name}", PATIENCE)
    test.expect(f"the domain {name} is {state}", found.strip() == state, found)


def remembered(guest):
    return guest.text("ls -A /run/apertured/libvirt 2>/dev/null | grep -v '^lock$'")


def libvirt_domain(test):
    """A domain's card is claimed at its start and given back at its end, with both values of managed; libvirt's daemon is
    restarted in between; a card that was claimed before stays claimed."""
    with test.boot(texts=TEXTS, **OPTIONS) as guest:
        expect_active(test, guest)
        test.expect("the hook is where libvirt looks for it", guest.run(f"[ -x {HOOK} ]").status == 0)
        define(test, guest, *DOMAINS)
        test.expect_driver(guest, 2, "bochs-drm")
        tell = Teller(LIBVIRT, test)
        tell(guest, "apt install ./apertured_*.deb ./apertured-libvirt_*.deb")
        tell(guest, "apertured status", ADDRESS[2])
        tell(guest, "apertured plan 0000:02:00.0")
        tell(guest, "virsh start guest", seconds=PATIENCE)
        expect_state(test, guest, "guest", "running")
        expect_given(test, guest)
        tell(guest, "systemctl status apertured@0000:02:00.0.service", "Claimed and proven: 2 BARs mapped.")
        restarted = guest.run("systemctl restart libvirtd.service", PATIENCE)
        test.expect("libvirt's daemon is restarted", restarted.status == 0, restarted.text)
        expect_state(test, guest, "guest", "running")
        expect_given(test, guest)
        tell(guest, "virsh destroy guest", seconds=PATIENCE)
        expect_state(test, guest, "guest", "shut off")
        tell(guest, "systemctl is-active apertured@0000:02:00.0.service", "inactive", status=INACTIVE)
        tell(guest, "apertured status 0000:02:00.0", "host")
        tell.end()
        expect_back(test, guest)
        expect_started(test, guest, "unmanaged")
        expect_given(test, guest)
        expect_destroyed(test, guest, "unmanaged")
        expect_back(test, guest)
        taken = guest.journal(f"MESSAGE_ID={TAKEN}")
        test.expect("no guard has seen another driver", not taken, f"{len(taken)} times")
        # The other card was claimed before.
        before = property_of(guest, 1, "MainPID")
        expect_started(test, guest, "enabled")
        expect_destroyed(test, guest, "enabled")
        test.expect_stays(guest, 1, "active")
        test.expect("by the same guard", property_of(guest, 1, "MainPID") == before)
        test.expect_mapped(guest, 1)
        expect_status(test, guest, "Claimed")
        expect_started(test, guest, "plain")
        test.expect("a domain without a card leaves nothing", not remembered(guest), lambda: remembered(guest))
        expect_destroyed(test, guest, "plain")


def libvirt_refused(test):
    """A card that cannot be claimed: virsh shows the refusal, and the host keeps the card. A member of a group may start
    and stop the unit by the example for polkit, and nothing else."""
    with test.boot(texts=TEXTS, **OPTIONS) as guest:
        expect_active(test, guest)
        define(test, guest, "guest")
        guest.run("mkdir -p /run/apertured.conf.d; printf '[GPU]\\nAddress=%s\\nId=10de:1c82\\n' "
                  f"{ADDRESS[2]} >/run/apertured.conf.d/50-guest.conf")
        refused = guest.run("virsh start guest", PATIENCE)
        test.expect("virsh does not start the domain", refused.status != 0, refused.text)
        test.expect("and shows the refusal",
                    f"apertured: {ADDRESS[2]} is not claimed. Refused: " in refused.text
                    and "is not the one that was meant: Id=10de:1c82" in refused.text, refused.text)
        expect_state(test, guest, "guest", "shut off")
        test.expect_state(guest, 2, "failed")
        test.expect_driver(guest, 2, "bochs-drm")
        test.expect("nothing is remembered of it", not remembered(guest), lambda: remembered(guest))
        guest.run("rm /run/apertured.conf.d/50-guest.conf")
        expect_started(test, guest, "guest")
        test.expect_state(guest, 2, "active")
        expect_destroyed(test, guest, "guest")
        test.expect_state(guest, 2, "inactive")
        expect_delegated(test, guest)


def expect_delegated(test, guest):
    guest.run("groupadd --system gpu; useradd --groups gpu member; useradd stranger")
    guest.run("install -m 644 /usr/share/doc/apertured/examples/50-apertured.rules /etc/polkit-1/rules.d/; sleep 2")
    start = f"systemctl --no-ask-password start {unit(2)}"
    refused = guest.run(f"setpriv --reuid stranger --init-groups {start}", PATIENCE)
    test.expect("another user may not start the unit", refused.status != 0, refused.text)
    refused = guest.run("setpriv --reuid member --init-groups systemctl --no-ask-password stop dbus.socket", PATIENCE)
    test.expect("nor the member anything else", refused.status != 0, refused.text)
    started = guest.run(f"setpriv --reuid member --init-groups {start}", PATIENCE)
    test.expect("a member of the group may", started.status == 0, started.text)
    test.expect_state(guest, 2, "active")
    stopped = guest.run(f"setpriv --reuid member --init-groups {start.replace('start', 'stop')}", PATIENCE)
    test.expect("and stop it", stopped.status == 0, stopped.text)
    test.expect_state(guest, 2, "inactive")


def expect_given(test, guest):
    test.expect_state(guest, 2, "active")
    test.expect_driver(guest, 2, "vfio-pci")
    expect_used(test, guest, 2)


def expect_back(test, guest):
    test.expect_state(guest, 2, "inactive")
    test.expect_driver(guest, 2, "bochs-drm")
    test.expect("nothing is remembered of it", not remembered(guest), lambda: remembered(guest))


def expect_used(test, guest, slot):
    """The emulator has the card open."""
    found = guest.text(f"apertured status {ADDRESS[slot]}")
    test.expect("the emulator has the card", "qemu-system" in found, found)
