"""Scenarios in which the system boots through an initramfs of its own, made by its own tool, with the native driver in it."""

import dataclasses

from . import rootfs
from .expectations import expect_active, expect_native
from .guest import ADDRESS
from .image import PACKAGE
from .stories import INITRAMFS, Teller
from .trial import property_of, unit

CARD = f"/sys/bus/pci/devices/{ADDRESS[1]}"
# The disk, and the native driver of the emulated cards.
MODULES = "virtio_pci virtio_blk ext4 crc32c_generic bochs"


@dataclasses.dataclass(frozen=True)
class Tool:
    disk: rootfs.Disk
    configure: str
    # Makes the image of the kernel $kernel for the first time. What comes later is the product's own doing.
    make: str


INITRAMFS_TOOLS = Tool(
    rootfs.Disk(packages=("initramfs-tools",)),
    "printf 'MODULES=list\\nCOMPRESS=gzip\\n' >/etc/initramfs-tools/conf.d/lab; echo CONFIG_RD_GZIP=y >/boot/config-$kernel; "
    # Without it update-initramfs knows no kernel.
    ">/boot/vmlinuz-$kernel; "
    f"printf '%s\\n' {MODULES} >/etc/initramfs-tools/modules",
    "update-initramfs -c -k $kernel")
# dracut makes an image of the whole machine in an hour here: of what boots this one in minutes.
_DRACUT = ("mkdir -p /etc/dracut.conf.d; printf '%s\\n' hostonly=no compress=gzip 'drivers=\" " + MODULES + " \"' "
           "'omit_dracutmodules+=\" i18n plymouth terminfo kernel-modules-extra lunmask nvdimm resume virtiofs \"' "
           ">/etc/dracut.conf.d/lab.conf; >/boot/vmlinuz-$kernel")
# As dracut's own script for a new kernel does it.
_MAKE = "dracut -q --force /boot/initrd.img-$kernel $kernel"
# dracut 059 and 106.
DRACUT_12 = Tool(rootfs.Disk(packages=("dracut",), size="1G"), _DRACUT, _MAKE)
DRACUT_13 = Tool(rootfs.Disk(suite="trixie", packages=("dracut",), size="1G"), _DRACUT, _MAKE)
MINUTES = {"seconds": 900}


def initramfs_tools(test):
    """Debian 12, initramfs-tools: an enabled card is reserved in the image, before the native driver that is in it."""
    through(test, INITRAMFS_TOOLS)


def dracut_12(test):
    """Debian 12, dracut 059: the same."""
    through(test, DRACUT_12)


def dracut_13(test):
    """Debian 13, dracut 106: the same, and systemd runs in the image."""
    through(test, DRACUT_13)


def through(test, tool):
    test.start_from(rootfs.obtain(tool.disk))
    kernel = install(test, tool)
    image = f"/boot/initrd.img-{kernel}"
    tell = Teller(INITRAMFS, test)
    with test.boot(own=test.take(image), deadline=1800) as guest:
        test.expect_driver(guest, 1, "bochs-drm")
        test.expect("the native driver came in the image", native_in_image(guest))
        tell(guest, "apertured status", ADDRESS[1], "bochs-drm")
        tell(guest, "apertured enable 0000:01:00.0", f"{ADDRESS[1]}: initramfs: made", **MINUTES)
        tell(guest, "reboot")
        guest.power_off()
    reserved = test.take(image)
    with test.boot(own=reserved) as guest:
        expect_active(test, guest)
        expect_native(test, guest, 1, 0)
        expect_native(test, guest, 2, 1)
        test.expect("the native driver came in the image", native_in_image(guest))
        tell(guest, "cat /run/apertured-initramfs/0000:01:00.0", "vfio-pci")
        tell(guest, "systemctl status apertured@0000:01:00.0.service", "Claimed and proven: 2 BARs mapped.")
        test.expect_mapped(guest, 1)
        # A release leaves no trace of the reservation.
        stopped = guest.run(f"systemctl stop {unit(1)}")
        test.expect("systemctl stop succeeds", stopped.status == 0, stopped.text)
        test.expect_driver(guest, 1, "bochs-drm")
        expect_no_override(test, guest)
        guest.power_off()
    with test.boot(own=reserved, arguments="apertured=off") as guest:
        test.expect_driver(guest, 1, "bochs-drm")
        expect_no_override(test, guest)
        # As many do, who know nothing of the image.
        guest.run(f"systemctl disable {unit(1)}")
        guest.power_off()
    with test.boot(own=reserved, deadline=1800) as guest:
        test.expect("the image still reserves the card", guest.run(f"[ -e /run/apertured-initramfs/{ADDRESS[1]} ]").status == 0)
        test.expect_driver(guest, 1, "bochs-drm")
        expect_no_override(test, guest)
        test.expect("its unit was not started", property_of(guest, 1, "ActiveState") == "inactive")
        tell(guest, "apertured disable --now 0000:01:00.0", **MINUTES)
        tell.end()
        guest.power_off()
    with test.boot(own=test.take(image), deadline=1800) as guest:
        test.expect_driver(guest, 1, "bochs-drm")
        expect_native(test, guest, 1, 1)
        left = guest.text("ls -d /run/apertured-initramfs /etc/apertured.conf.d 2>/dev/null")
        test.expect("the image knows nothing of the card", not left, left)


def install(test, tool):
    """On the disk: the package, the kernel's modules, the lab's shell, and a first image. The kernel's name."""
    agent = ("mkdir -p /var/lib/lab; cp /run/lab/agent /var/lib/lab; cd /etc/systemd/system; "
             "sed s,/run/lab/agent,/var/lib/lab/agent, /run/lab/lab-agent.service >lab-agent.service; "
             "mkdir -p multi-user.target.wants; ln -sf ../lab-agent.service multi-user.target.wants")
    with test.boot(files={PACKAGE: test.bench.package}, deadline=1800) as guest:
        installed = guest.run(f"dpkg -i /run/lab/{PACKAGE}", **MINUTES)
        test.expect("the package installs", installed.status == 0, installed.text)
        guest.run(agent)
        # In the lab's boots they are in memory, above the disk's.
        guest.run("mount --bind / /mnt; cp -a /usr/lib/modules/. /mnt/usr/lib/modules/; umount /mnt")
        kernel = guest.text("uname -r")
        made = guest.run(f"kernel={kernel}; {tool.configure}; {tool.make}", **MINUTES)
        test.expect("the tool makes an image", made.status == 0, made.text)
        guest.power_off()
    return kernel


def native_in_image(guest):
    """Whether its module was loaded before the system's own systemd began."""
    said = guest.text("dmesg | grep -n -m 1 'Initialized bochs'; dmesg | grep -n 'systemd\\[1\\]: systemd .* running in' | tail -n 1")
    numbers = [int(line.split(":")[0]) for line in said.splitlines() if line.split(":")[0].isdigit()]
    return len(numbers) == 2 and numbers[0] < numbers[1]


def expect_no_override(test, guest):
    override = guest.read(f"{CARD}/driver_override")
    test.expect("its override is cleared", override == "(null)", override)
