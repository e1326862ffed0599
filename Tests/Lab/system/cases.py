"""The full guest's matrix: what a person does with a systemd machine and its GPUs, on which kernel.

Each scenario drives one or more boots of the same computer. Slot 1 is enabled on the disk that all start from; slot 2
holds the same card and is nobody's business unless a scenario says so.
"""

import dataclasses
import typing

from . import configured, container, desktop, disturbed, drivers, everyday, hotplug, images, joint, metrics, package, rootfs, splash, upheaval, virtualization


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    drive: typing.Callable  # takes a Trial
    kernel: str = "6.1"
    rungs: str = "evict"  # of the claim at boot, between its override and its bind
    code: str = ""  # of a refusal at boot
    configuration: str = ""  # a file of /run/apertured.conf.d
    modules: tuple = ()  # of the lab's own (modules/), by name: can be loaded, and found by their aliases
    disk: rootfs.Disk = rootfs.BASE  # that it starts from
    quick: bool = False


# Without a word from the administrator no rung would end what is left behind there.
RESCAN = "[GPU]\nAddress=0000:01:00.0\nResidue=rescan\n"
BOUNCE = "[GPU]\nAddress=0000:01:00.0\nResidue=bounce\nAllowNative=bochs\n"
# Two functions of one slot, each on its own.
APART = "[GPU]\nOnlyFunction=yes\nMultiple=yes\n"

_CASES = (
    Case("enabled-at-boot", everyday.enabled_at_boot, quick=True),
    Case("start-and-stop", everyday.start_and_stop),
    Case("stop-while-starting", everyday.stop_while_starting),
    Case("doctor", everyday.doctor),
    Case("released-by-hand", everyday.released_by_hand),
    Case("kept-by-hand", everyday.kept_by_hand),
    Case("one-function", everyday.one_function, configuration=APART),
    Case("shut-down", everyday.shut_down),
    Case("hotplug", hotplug.hotplug),
    Case("plugged-again", hotplug.plugged_again),
    Case("hotplug-pciehp", hotplug.hotplug_pciehp),
    Case("removed-and-back", hotplug.removed_and_back),
    Case("refusal", configured.refusal),
    Case("refused-by-conf", configured.refused_by_conf),
    Case("switched-off", configured.switched_off),
    Case("masked", configured.masked),
    Case("late-framebuffer", disturbed.late_framebuffer),
    Case("late-framebuffer-in-use", disturbed.late_framebuffer_in_use),
    Case("overrun", disturbed.overrun),
    Case("taken-away", disturbed.taken_away),
    Case("tried-again", disturbed.tried_again),
    Case("owned-by-another", disturbed.owned_by_another),
    Case("no-room", disturbed.no_room),
    Case("stop-while-in-use", disturbed.stop_while_in_use),
    Case("restarted-while-in-use", disturbed.restarted_while_in_use),
    Case("watchdog", disturbed.watchdog),
    Case("wrong-name", configured.wrong_name),
    Case("initramfs-tools", images.initramfs_tools),
    Case("dracut", images.dracut_12),
    Case("dracut-debian13", images.dracut_13, "6.12"),
    Case("disable-and-uninstall", package.disable_and_uninstall),
    Case("new-user", package.new_user),
    Case("upgraded", upheaval.upgraded),
    Case("upgraded-in-use", upheaval.upgraded_in_use),
    Case("removed", upheaval.removed),
    Case("removed-in-use", upheaval.removed_in_use),
    Case("suspended", upheaval.suspended),
    Case("hidepid", upheaval.hidepid),
    Case("kexec", upheaval.kexec),
    Case("many-cards", upheaval.many_cards),
    # One guard for all cards.
    Case("one-guard", joint.one_guard, configuration=joint.CONFIGURATION),
    Case("one-guard-at-boot", joint.at_boot),
    Case("one-guard-beside-hang", joint.beside_hang, modules=("lab_gpu",)),
    Case("one-guard-24-cards", joint.many_cards, configuration=joint.CONFIGURATION),
    # The files of [Metrics], kept by the units.
    Case("metrics", metrics.metrics, configuration=metrics.CONFIGURATION),
    # The guard in a container. It needs the image, which make lab makes beside the package.
    Case("container", container.podman, disk=rootfs.PODMAN),
    # A kernel that really hangs, a card that is dead, a variant driver of VFIO's.
    Case("start-hangs", drivers.start_hangs, modules=("lab_gpu",)),
    Case("stop-hangs", drivers.stop_hangs, modules=("lab_gpu",)),
    Case("stop-beside-hang", drivers.stop_beside_hang, modules=("lab_gpu",)),
    Case("dies-guarded", drivers.dies_guarded, modules=("lab_dead",)),
    Case("mappings-held", drivers.mappings_held, modules=("lab_mappings",)),
    Case("variant-at-boot", drivers.variant_at_boot, modules=("lab_vfio_pci",)),
    # Plymouth, on the card that is to go.
    Case("splash-native", splash.splash_native, disk=rootfs.PLYMOUTH),
    Case("splash-native-7.x", splash.splash_native, "7.x", disk=rootfs.PLYMOUTH),
    Case("splash-efifb", splash.splash_framebuffer, disk=rootfs.PLYMOUTH),
    Case("splash-efifb-7.x", splash.splash_framebuffer, "7.x", disk=rootfs.PLYMOUTH),
    Case("splash-simpledrm", splash.splash_framebuffer, "6.12-simpledrm", disk=rootfs.PLYMOUTH),
    Case("splash-efidrm", splash.splash_framebuffer, "7.2-efidrm", disk=rootfs.PLYMOUTH),
    Case("in-use-at-boot", splash.splash_stays),
    # A real display server.
    Case("desktop", desktop.leaves_and_returns, disk=rootfs.DESKTOP),
    # A real libvirtd, and a guest in the guest.
    Case("libvirt-domain", virtualization.libvirt_domain, disk=rootfs.LIBVIRT),
    Case("libvirt-refused", virtualization.libvirt_refused, disk=rootfs.LIBVIRT),

    Case("enabled-at-boot-5.10", everyday.enabled_at_boot, "5.10"),
    Case("enabled-at-boot-6.12", everyday.enabled_at_boot, "6.12"),
    Case("enabled-at-boot-7.x", everyday.enabled_at_boot, "7.x"),
    Case("refused-at-boot-5.10-simplefb", configured.refused_at_boot, "5.10-simplefb", code="residue-needs-rescan"),
    Case("enabled-at-boot-5.10-simplefb", everyday.enabled_at_boot, "5.10-simplefb", "evict,rescan",
         configuration=RESCAN),
    Case("enabled-at-boot-6.12-simpledrm", everyday.enabled_at_boot, "6.12-simpledrm", "evict,rescan"),
    Case("bounced-6.12-simpledrm", everyday.bounced, "6.12-simpledrm", "bounce", configuration=BOUNCE),
    Case("enabled-at-boot-7.2-efidrm", everyday.enabled_at_boot, "7.2-efidrm"),
    Case("start-hangs-6.12", drivers.start_hangs, "6.12", modules=("lab_gpu",)),
    Case("dies-guarded-6.12", drivers.dies_guarded, "6.12", modules=("lab_dead",)),
    Case("variant-at-boot-6.12", drivers.variant_at_boot, "6.12", modules=("lab_vfio_pci",)),
    # Where VFIO gives an open card's regions another name.
    Case("late-framebuffer-in-use-7.x", disturbed.late_framebuffer_in_use, "7.x"),
    Case("stop-while-in-use-7.x", disturbed.stop_while_in_use, "7.x"),
    Case("restarted-while-in-use-7.x", disturbed.restarted_while_in_use, "7.x"),
    Case("restarted-while-in-use-7.2-efidrm", disturbed.restarted_while_in_use, "7.2-efidrm"),
    Case("start-and-stop-5.10", everyday.start_and_stop, "5.10"),
    Case("start-and-stop-6.12", everyday.start_and_stop, "6.12"),
    Case("start-and-stop-7.x", everyday.start_and_stop, "7.x"),
    Case("start-and-stop-5.10-simplefb", everyday.start_and_stop, "5.10-simplefb", configuration=RESCAN),
    Case("start-and-stop-6.12-simpledrm", everyday.start_and_stop, "6.12-simpledrm"),
    Case("start-and-stop-7.2-efidrm", everyday.start_and_stop, "7.2-efidrm"),
)

# All of Debian 12's on Debian 13 as well, with the kernel that it comes with; initramfs-tools makes a disk of its own. And
# some on the newest.
_DEBIAN_13 = tuple(
    dataclasses.replace(case, name=f"{case.name}-debian13", kernel="6.12", disk=rootfs.DEBIAN_13, quick=False)
    for case in _CASES if case.kernel == "6.1" and case.disk == rootfs.BASE and case.name not in ("initramfs-tools", "dracut"))
_NEWEST = tuple(
    dataclasses.replace(case, name=f"{case.name}-newest", kernel="7.x", disk=rootfs.DEBIAN_NEWEST, quick=False)
    for case in _CASES
    if case.name in ("enabled-at-boot", "start-and-stop", "shut-down", "hotplug", "plugged-again", "hotplug-pciehp",
                     "removed-and-back", "disable-and-uninstall", "removed"))
CASES = (*_CASES, *_DEBIAN_13, *_NEWEST)
