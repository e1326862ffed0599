"""The files of [Metrics], kept by the units themselves."""

from .expectations import expect_active
from .guest import ADDRESS
from .joint import PATIENCE, SERVICE, status
from .trial import unit

FILE = "/run/apertured/metrics/apertured.prom"
LABELS = "/run/apertured/metrics/labels"
CONFIGURATION = f"[Metrics]\nFile={FILE}\nNodeFeatures={LABELS}\n"
ENABLED = "[GPU]\nId=1234:1111\nMultiple=yes\nEnabled=yes\n"


def metrics(test):
    """As new as the cards, and readable for others than root: after the boot, a stop, a claim that fails, one that does
    not, a guard that is killed, and with one guard for both cards."""
    with test.boot() as guest:
        expect_active(test, guest)
        test.expect("nobody else can list /run/apertured", guest.run("! runuser -u nobody -- ls /run/apertured").status == 0)
        expect_state(test, guest, 1, "claimed")
        expect_state(test, guest, 2, "host")
        expect_value(test, guest, "apertured_claims_total", 1, 1)
        expect_value(test, guest, "apertured_gpu_mapped_bars", 1, 2)
        expect_value(test, guest, "apertured_gpu_enabled", 1, 1)
        expect_value(test, guest, "apertured_gpu_conflicts", 1, 0)
        expect_labels(test, guest, 1)
        guest.run(f"systemctl stop {unit(1)}")
        expect_state(test, guest, 1, "host")
        test.expect("without a claim there is no proof", not series(guest, "apertured_gpu_proven_timestamp_seconds", 1))
        expect_labels(test, guest, 0)
        expect_refused(test, guest)
        guest.run(f"systemctl start {unit(1)}")
        expect_state(test, guest, 1, "claimed")
        expect_value(test, guest, "apertured_claims_total", 1, 3)
        expect_value(test, guest, "apertured_claim_last_failed", 1, 0)
        guest.run(f"systemctl kill -s KILL {unit(1)}")
        back = guest.until(f"[ $(systemctl show -P NRestarts {unit(1)}) = 1 ] && systemctl -q is-active {unit(1)}", 60)
        test.expect("killed, the guard comes back", back)
        # The card is still on vfio-pci, and what claimed it is counted as one claim more.
        expect_state(test, guest, 1, "claimed")
        expect_value(test, guest, "apertured_gpu_mapped_bars", 1, 2)
        guest.run(f"systemctl stop {unit(1)}; printf '{ENABLED}' >/run/apertured.conf.d/cards.conf".replace("\n", "\\n"))
        started = guest.run(f"systemctl start {SERVICE}", PATIENCE)
        test.expect("one guard for both starts", started.status == 0, lambda: status(guest))
        for slot in (1, 2):
            expect_state(test, guest, slot, "claimed")
        expect_value(test, guest, "apertured_claims_total", 2, 1)
        expect_labels(test, guest, 2)
        stopped = guest.run(f"systemctl stop {SERVICE}", PATIENCE)
        test.expect("and stops", stopped.status == 0, lambda: status(guest))
        for slot in (1, 2):
            expect_state(test, guest, slot, "host")
        told = guest.text("journalctl -b --no-pager -q -o cat -p warning | grep -i metrics")
        test.expect("no unit complains of the files", not told, told)


def expect_refused(test, guest):
    """A claim that is refused is counted, by its code."""
    guest.run(f"sleep 600 </dev/dri/$(ls /sys/bus/pci/devices/{ADDRESS[1]}/drm | grep card) >/dev/null 2>&1 & "
              "echo $! >/run/lab/holder; sleep 1")
    refused = guest.run(f"systemctl start {unit(1)}")
    test.expect("a card in use is refused", refused.status != 0, refused.text)
    code = 'apertured_claim_failures_total{gpu="%s",code="in-use"} 1' % ADDRESS[1]
    test.expect("which is counted by its code", guest.until(f"grep -qxF '{code}' {FILE}", 10), lambda: text(guest))
    expect_value(test, guest, "apertured_claim_last_failed", 1, 1)
    guest.run("kill $(cat /run/lab/holder)")


def text(guest):
    return guest.text(f"cat {FILE}")


def series(guest, name, slot):
    return guest.text(f"grep -F '{name}{{gpu=\"{ADDRESS[slot]}\"' {FILE}")


def expect_value(test, guest, name, slot, value):
    line = f'{name}{{gpu="{ADDRESS[slot]}"}} {value}'
    test.expect(f"{name} of the card in slot {slot} is {value}", guest.until(f"grep -qxF '{line}' {FILE}", 10),
                lambda: series(guest, name, slot))


def expect_state(test, guest, slot, name):
    """By a user who is not root, as node_exporter is."""
    line = f'apertured_gpu_state{{gpu="{ADDRESS[slot]}",state="{name}"}} 1'
    test.expect(f"the card in slot {slot} is in the state {name}",
                guest.until(f"runuser -u nobody -- grep -qxF '{line}' {FILE}", 20), lambda: text(guest))


def expect_labels(test, guest, claimed):
    said = guest.until(f"grep -q '/apertured[.]gpu[.]claimed={claimed}$' {LABELS}", 10)
    test.expect(f"the node's labels say how many cards are claimed: {claimed}", said, lambda: guest.text(f"cat {LABELS}"))
