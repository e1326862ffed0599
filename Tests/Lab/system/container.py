"""Scenarios with the guard in a container, run by podman as the DaemonSet would have it run."""

import glob
import json
import os

from .expectations import LATE, bind_framebuffer, framebuffer_is_bound
from .guest import ADDRESS, Broken
from .joint import records
from .trial import unit

PATIENCE = 420
PODMAN = "podman --cgroup-manager cgroupfs"
NAME = "localhost/apertured:0.1.0"
CONFIGURATION = "[GPU]\nAddress=0000:01:00.0\nEnabled=yes\n"
# docs/container.md.
RUN = (f"{PODMAN} run --detach --name apertured --privileged --pid host --network none --read-only "
       "--volume /sys:/sys --volume /dev:/dev --volume /run/apertured:/run/apertured "
       "--volume /:/host:ro,rslave --env APERTURED_HOST_ROOT=/host "
       f"--volume /run/apertured.conf.d:/etc/apertured.conf.d:ro --stop-timeout 120 {NAME} guard --log json --on-stop ")
PROBE = f"{PODMAN} exec apertured /usr/bin/apertured status --probe"


def archive(package):
    """The image that `make image` has made of the package."""
    found = glob.glob(os.path.join(os.path.dirname(os.path.abspath(package)), "apertured-*.oci.tar"))
    if len(found) != 1:
        raise Broken("there is no image beside the package: make image")
    return found[0]


def podman(test):
    """From EBUSY to mapped; a late framebuffer is evicted; killed and started again while a client has the card; stopped
    with release and with keep, and a framebuffer that came between two guards is evicted; refused without the host's processes."""
    files = {"image.tar": archive(test.bench.package), "vfio-client": test.bench.client}
    with test.boot(cards=("bochs-display", None), arguments="modprobe.blacklist=bochs", files=files,
                   texts={"apertured.conf.d/lab.conf": CONFIGURATION}, deadline=2400, patience=600) as guest:
        guest.run(f"systemctl disable --now {unit(1)}", PATIENCE)
        test.expect("the framebuffer is there", framebuffer_is_bound(guest))
        busy = guest.run(f"apertured plan {ADDRESS[1]}")
        test.expect("it is in the card's BAR", busy.status == 0 and "efifb" in busy.text, busy.text)
        loaded = guest.run(f"{PODMAN} load --input /run/lab/image.tar", PATIENCE)
        test.expect("podman loads the image", loaded.status == 0, loaded.text)
        removed = guest.run("modprobe -r vfio_pci; ! grep -q ^vfio_pci /proc/modules")
        test.expect("vfio_pci is not loaded", removed.status == 0, removed.text)
        # As a kubelet makes it for a pod.
        guest.run("rm -rf /run/apertured; mkdir -m 755 /run/apertured")
        expect_runs(test, guest, "release")
        test.expect_driver(guest, 1, "vfio-pci")
        test.expect_mapped(guest, 1)
        loaded = guest.run("grep -q ^vfio_pci /proc/modules")
        test.expect("the container has loaded the host's module", loaded.status == 0, lambda: logs(guest))
        test.expect("the framebuffer was evicted", not framebuffer_is_bound(guest))
        expect_logged(test, guest)
        bind_framebuffer(guest)
        seen = guest.until(f"{PODMAN} logs apertured 2>&1 | grep -q {LATE}", PATIENCE)
        test.expect("a late framebuffer is told, by its kind", seen, lambda: logs(guest))
        test.expect("and evicted", guest.until("[ ! -e /sys/bus/platform/drivers/efi-framebuffer/efi-framebuffer.0 ]", 30))
        guest.run(f"/run/lab/vfio-client {ADDRESS[1]} hold 900 >/run/lab/held 2>&1 & echo $! >/run/lab/holder; sleep 2")
        guest.run(f"{PODMAN} kill --signal KILL apertured; {PODMAN} rm --force apertured", PATIENCE)
        test.expect("killed, the claim stays", records(guest, 1))
        expect_runs(test, guest, "release")
        used = guest.text(f"apertured status {ADDRESS[1]}")
        test.expect("the client has its card all the time", "in use" in used and "vfio-client" in used, used)
        guest.run("kill $(cat /run/lab/holder); sleep 1")
        stopped = guest.run(f"{PODMAN} stop apertured && {PODMAN} rm apertured", PATIENCE)
        test.expect("it stops", stopped.status == 0, stopped.text)
        test.expect("with release the host has its card back", not records(guest, 1), lambda: logs(guest))
        test.expect("and its framebuffer", guest.until("[ -e /sys/bus/platform/drivers/efi-framebuffer/efi-framebuffer.0 ]", 10))
        expect_runs(test, guest, "keep")
        guest.run(f"{PODMAN} stop apertured && {PODMAN} rm apertured", PATIENCE)
        test.expect("with keep the claim stays", records(guest, 1))
        test.expect_driver(guest, 1, "vfio-pci")
        # Between two guards nobody looks.
        bind_framebuffer(guest)
        test.expect("a framebuffer comes between two guards", framebuffer_is_bound(guest))
        expect_runs(test, guest, "keep")
        test.expect("and the second one evicts it at its start", not framebuffer_is_bound(guest))
        test.expect_mapped(guest, 1)
        guest.run(f"{PODMAN} stop apertured && {PODMAN} rm apertured", PATIENCE)
        released = guest.run(f"apertured release {ADDRESS[1]}", PATIENCE)
        test.expect("the host's own program gives the card back", released.status == 0, released.text)
        started = guest.run(RUN.replace("--pid host ", "") + "release", PATIENCE)
        test.expect("without the host's processes it runs", started.status == 0, started.text)
        refused = guest.until(f"{PODMAN} logs apertured 2>&1 | grep -q 'another PID namespace'", PATIENCE)
        test.expect("and refuses the card, with the reason", refused, lambda: logs(guest))
        test.expect("nothing is claimed", not records(guest, 1))


def expect_runs(test, guest, on_stop):
    started = guest.run(RUN + on_stop, PATIENCE)
    test.expect(f"the container runs, with {on_stop}", started.status == 0, started.text)
    ready = guest.until(PROBE, PATIENCE)
    test.expect("its probe says that it is ready", ready, lambda: guest.text(PROBE) + logs(guest))


def expect_logged(test, guest):
    """Each line is an object, and one says that the card is claimed and proven."""
    lines = [line for line in logs(guest).splitlines() if line]
    try:
        entries = [json.loads(line) for line in lines]
    except ValueError as error:
        entries = []
        test.expect("the log is JSON", False, f"{error}: {lines}")
    claimed = [entry for entry in entries if "claimed and proven" in entry.get("message", "")]
    test.expect("the log says that the card is claimed and proven", len(claimed) == 1, f"{lines}")
    test.expect("with its address", [entry.get("APERTURED_GPU") for entry in claimed] == [ADDRESS[1]], f"{claimed}")


def logs(guest):
    return guest.text(f"{PODMAN} logs apertured 2>&1")
