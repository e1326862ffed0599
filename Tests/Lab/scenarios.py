"""The matrix: every scenario with what is expected of it, and nowhere else.

framebuffer  the claims inside the GPU's BARs when the scenario starts, outermost first; - for none
before       what the independent client meets after a plain bind to vfio-pci: EBUSY, clear, not-viable; - for no probe
exit         what `apertured claim` returns; alternatives with |; 137 where it is killed
after        what the client meets after the claim: mapped; in-use; - where the card is not vfio-pci's
rungs        how the conflict was cleared, in the claim's own words and order; - for not at all, "" for any way
then         what came of the scenario's last act (a release, a recovery, a second claim): as-before where the machine
             is as it was before the claim, text for text; less where it lacks what apertured named; claimed; won
"""

import dataclasses

import iommufd
from topologies import LARGE


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    kernel: str
    framebuffer: str
    card: str
    topology: str
    before: str
    exit: str
    after: str
    rungs: str
    _: dataclasses.KW_ONLY
    then: str = "-"  # the first word of what the last act reports
    quick: bool = False
    apart: bool = False  # only when it is asked for by name
    firmware: str = "ovmf"
    arguments: str = ""  # for the kernel
    options: str = ""  # for `apertured claim`
    code: str = ""  # a refusal's or failure's name, or the call that failed: must be printed
    given: str = ""  # words of guest/vocabulary.sh, run before the probe
    meanwhile: str = ""  # the same, right before the claim
    finally_: str = ""  # the same, after it
    iommu: str = "intel"  # a name of machine.IOMMU, or "" for none
    client: str = "client"  # or node_client: through an iommufd; or real_client: a QEMU inside the machine
    modules: tuple = ()  # of the lab's own (modules/), by name: can be loaded, and found by their aliases
    driver: str = "vfio-pci"  # the VFIO driver that the claim ends with
    script: str = "claim"
    deadline: int = 180  # seconds for each machine

    @property
    def probe_apart(self):
        """vfio-pci evicts by itself on class 0300 since 6.0, for good: the probe gets a boot of its own."""
        return self.before == "clear" and self.card == VGA


VGA, BOCHS = "VGA", "bochs-display"  # class 0300, class 0380
SIMPLEDRM = "BOOTFB>simpledrm"
VESA = {"firmware": "seabios", "arguments": "vga=0x318"}
TEXT = {"firmware": "seabios"}
# Of the lab's own modules (modules/): two drivers that cannot let go, with what holds them; VFIO under another name.
HANGING = {"modules": ("lab_gpu", "lab_gpu_user")}
NVIDIA = {"modules": ("nvidia", "nvidia_modeset", "nvidia_drm", "nvidia_uvm")}
DEAD = {"modules": ("lab_dead",)}
VARIANT = {"modules": ("lab_vfio_pci",), "driver": "lab_vfio_pci"}
# VFIO with an iommufd (iommufd.py).
IOMMUFD = {"modules": iommufd.MODULES, "client": "node_client"}
# Without room for a BAR.
NO_ROOM = ("6.1", "6.12", "7.x")
REMEDIES = "refused_for 'BAR 0' 'Above 4G Decoding' 'Resizable BAR' 'pci=realloc'"
UNDISTURBED = "undisturbed $OTHER pcieport; expect_driver 0000:01:00.0 virtio-pci"

S = Scenario
SCENARIOS = (
    # The story: an eviction, a neighbour left alone, a refusal.
    S("claim-efifb-0380", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", quick=True),
    S("two-gpus", "6.1", "-", BOCHS, "two-gpus-claim-second", "clear", "0", "mapped", "-", quick=True),
    S("no-iommu", "6.1", "efifb", BOCHS, "root-port", "-", "3", "-", "-", code="no-iommu", iommu="", quick=True),

    # Debian's kernels × both classes, under OVMF.
    S("5.10-efifb-0300", "5.10", "efifb", VGA, "root-port", "EBUSY", "0", "mapped", "evict"),
    S("5.10-efifb-0380", "5.10", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict"),
    S("6.1-efifb-0300", "6.1", "efifb", VGA, "root-port", "clear", "0", "mapped", "evict"),
    S("6.12-efifb-0300", "6.12", "efifb", VGA, "root-port", "clear", "0", "mapped", "evict"),
    S("6.12-efifb-0380", "6.12", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict",
      meanwhile="report_same", deadline=400),
    S("7.x-efifb-0300", "7.x", "efifb", VGA, "root-port", "clear", "0", "mapped", "evict"),
    S("7.x-efifb-0380", "7.x", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict"),

    # Under SeaBIOS: a VESA framebuffer, and VGA text mode.
    S("5.10-vesafb-0300", "5.10", "vesafb", VGA, "root-bus", "EBUSY", "0", "mapped", "evict", **VESA),
    S("6.1-vesafb-0300", "6.1", "vesafb", VGA, "root-bus", "clear", "0", "mapped", "evict", **VESA),
    S("5.10-text-0300", "5.10", "-", VGA, "root-bus", "clear", "0", "mapped", "-", finally_="show_consoles", **TEXT),
    S("6.1-text-0300", "6.1", "-", VGA, "root-bus", "clear", "0", "mapped", "-", finally_="show_consoles", **TEXT),

    # Drivers that Debian's kernels lack; BOOTFB stays behind when simplefb or simpledrm is unbound.
    S("5.10-simplefb-0300-auto", "5.10-simplefb", "BOOTFB", VGA, "root-port", "EBUSY", "3", "-", "-",
      code="residue-needs-rescan"),
    S("5.10-simplefb-0380-auto", "5.10-simplefb", "BOOTFB", BOCHS, "root-port", "EBUSY", "3", "-", "-",
      code="residue-needs-rescan"),
    S("5.10-simplefb-0300-rescan", "5.10-simplefb", "BOOTFB", VGA, "root-port", "EBUSY", "0", "mapped",
      "evict,rescan", options="--residue rescan"),
    S("5.10-simplefb-0380-rescan", "5.10-simplefb", "BOOTFB", BOCHS, "root-port", "EBUSY", "0", "mapped",
      "evict,rescan", options="--residue rescan", quick=True),
    S("6.12-simpledrm-0300", "6.12-simpledrm", SIMPLEDRM, VGA, "root-port", "clear", "0", "mapped", "evict"),
    S("6.12-simpledrm-0380", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "0", "mapped", "evict,rescan",
      meanwhile="report_same", deadline=400, quick=True),
    S("6.12-simpledrm-bounce", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "0", "mapped",
      "bounce", options="--residue bounce --allow-native bochs", quick=True),
    S("6.12-simpledrm-refuse", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "3", "-", "-",
      options="--residue refuse", code="residue"),
    S("7.2-efidrm-0300", "7.2-efidrm", "efidrm", VGA, "root-port", "clear", "0", "mapped", "evict"),
    S("7.2-efidrm-0380", "7.2-efidrm", "efidrm", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", quick=True),

    # A process has /dev/fb0 open: efifb's claim outlives the unbind until the last close.
    S("holder-closes", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict,wait",
      meanwhile="hold_framebuffer 8", quick=True),
    S("holder-closes-7.x", "7.x", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict,wait",
      meanwhile="hold_framebuffer 8"),
    S("holder-stays", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "4", "-", "evict,wait",
      meanwhile="hold_framebuffer 900; report_same", code="framebuffer-held", finally_="back_with_last_close",
      then="as-before", deadline=400),

    # A claim that its caller cuts short: told to stop while it waits; read by someone who leaves.
    S("interrupted", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "4", "-", "evict,wait",
      meanwhile="hold_framebuffer 900; end_waiting_claim", code="interrupted by SIGTERM",
      finally_="back_with_last_close", then="as-before"),
    S("unheard", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict",
      finally_="release_and_claim_unheard", then="claimed"),

    # Where the card sits, and with whom.
    S("root-bus", "6.1", "efifb", BOCHS, "root-bus", "EBUSY", "0", "mapped", "evict"),
    S("root-bus-rescan", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-bus", "EBUSY", "0", "mapped", "evict,rescan"),
    S("native-first", "6.12", "bochs-drm", BOCHS, "root-port", "-", "0", "mapped", "unbind", given="load_native"),
    S("native-loads-during-rescan", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "0", "mapped",
      "evict,rescan", options="--residue rescan", meanwhile="autoload_modules", finally_="expect_loaded bochs"),
    S("native-idle-during-rescan", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "0", "mapped",
      "evict,rescan", options="--residue rescan", meanwhile="load_native_idle"),
    # The same without a claim, thirty times: it is a race, and one win proves little.
    S("native-idle-race", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "-", "-", "-", "-", then="won",
      script="race"),
    S("identical-gpus", "6.12", "efifb", BOCHS, "two-gpus", "EBUSY", "0", "mapped", "evict"),
    S("identical-gpus-native", "6.12", "bochs-drm", BOCHS, "two-gpus", "-", "0", "mapped", "unbind",
      given="load_native"),
    S("identical-gpus-rescan", "6.12-simpledrm", SIMPLEDRM, BOCHS, "two-gpus", "EBUSY", "0", "mapped", "evict,rescan"),
    S("multi-function", "6.1", "efifb", BOCHS, "multi-function", "not-viable", "0", "mapped", "evict,unbind",
      given="load_for snd-hda-intel $OTHER", meanwhile="report_same", finally_="expect_driver $OTHER vfio-pci",
      deadline=400),
    S("multi-function-only", "6.1", "efifb", BOCHS, "multi-function", "not-viable", "3", "-", "-",
      given="load_for snd-hda-intel $OTHER", options="--only-function", code="group-not-viable"),
    S("multi-function-rescan", "6.12-simpledrm", SIMPLEDRM, BOCHS, "multi-function", "EBUSY", "0", "mapped",
      "evict,rescan", finally_="expect_driver $OTHER vfio-pci"),
    # The GPU goes and comes back, its sibling and what is behind it keep their drivers.
    S("function-apart-rescan", "6.12-simpledrm", SIMPLEDRM, BOCHS, "function-apart", "EBUSY", "0", "mapped",
      "evict,rescan", meanwhile="watch_events", finally_=UNDISTURBED),
    S("only-function-rescan", "6.12-simpledrm", SIMPLEDRM, BOCHS, "function-apart", "EBUSY", "0", "mapped",
      "evict,rescan", options="--only-function", meanwhile="watch_events", finally_=UNDISTURBED, quick=True),
    S("only-function-rescan-in-group", "6.12-simpledrm", SIMPLEDRM, BOCHS, "multi-function", "EBUSY", "0", "mapped",
      "evict,rescan", options="--only-function", given="bind_by_hand $OTHER", meanwhile="watch_events",
      finally_="undisturbed $OTHER vfio-pci"),
    S("shared-group", "6.1", "efifb", BOCHS, "shared-group", "not-viable", "3", "-", "-",
      given="load_for e1000 $OTHER", code="group-not-viable"),

    # How the IOMMU is set up. After a rescan on 5.10 with iommu=pt, VFIO_SET_IOMMU fails on the root bus, only there:
    # the card goes back, and what the rescan has changed by then is named.
    S("iommu-pt", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", arguments="iommu=pt"),
    S("iommu-nopt", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", arguments="iommu=nopt"),
    S("iommu-amd", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", iommu="amd"),
    # "No southbridge IOAPIC found": this kernel does not remap interrupts by QEMU's table.
    S("iommu-amd-7.x", "7.x", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", iommu="amd",
      arguments="vfio_iommu_type1.allow_unsafe_interrupts=1"),
    S("iommu-virtio", "6.12", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", iommu="virtio"),
    S("iommu-pt-rescan", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "0", "mapped", "evict,rescan",
      arguments="iommu=pt"),
    S("iommu-pt-rescan-5.10", "5.10-simplefb", "BOOTFB", BOCHS, "root-bus", "EBUSY", "4", "-", "evict,rescan",
      then="less", arguments="iommu=pt", options="--residue rescan", code="VFIO_SET_IOMMU",
      finally_="failed_with_loss 'simple-framebuffer.0 is not bound again' 'BAR 0 .* has moved'"),
    S("iommu-pt-rescan-5.10-port", "5.10-simplefb", "BOOTFB", BOCHS, "root-port", "EBUSY", "0", "mapped",
      "evict,rescan", arguments="iommu=pt", options="--residue rescan"),
    S("iommu-nopt-rescan-5.10", "5.10-simplefb", "BOOTFB", BOCHS, "root-bus", "EBUSY", "0", "mapped",
      "evict,rescan", arguments="iommu=nopt", options="--residue rescan"),

    # Cut short, interfered with, or twice at once.
    S("kill-during-claim", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "137", "-", "-", then="as-before",
      meanwhile="hold_framebuffer 900; kill_waiting_claim", finally_="recover_from_kill", quick=True),
    S("kill-holder-stays", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "137", "-", "-", then="as-before",
      meanwhile="hold_framebuffer 900; kill_waiting_claim", finally_="recover_while_held"),
    S("gpu-removed-during-claim", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "4", "-", "evict,wait",
      then="claimed", options="--wait 60", meanwhile="hold_framebuffer 900; pull_card_from_waiting_claim",
      finally_="put_card_back"),
    S("bound-again-behind", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="claimed",
      finally_="bind_framebuffer_behind efi-framebuffer efi-framebuffer.0"),
    # Which of the two does the work is a matter of chance.
    S("two-claims-at-once", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "", then="claimed",
      meanwhile="claim_beside", finally_="expect_beside"),
    S("two-claims-no-wait", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "3", "-", "-", then="claimed",
      options="--lock-wait 0", code="Another apertured is at work: apertured (pid",
      meanwhile="hold_framebuffer 900; claim_beside_first", finally_="end_holder; expect_beside"),

    # A client has the card open. VFIO names its regions `vfio-pci` once they are mapped, and on 7.x `vfio` from the open on.
    S("in-use", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="claimed",
      finally_="claimed_and_in_use"),
    S("in-use-7.x", "7.x", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="claimed",
      finally_="claimed_and_in_use", quick=True),
    S("in-use-7.2-efidrm", "7.2-efidrm", "efidrm", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="claimed",
      finally_="claimed_and_in_use"),
    S("in-use-by-hand", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "in-use", "-", meanwhile="in_use_by_hand",
      finally_="in_use; end_holder"),
    S("in-use-by-hand-7.x", "7.x", "efifb", BOCHS, "root-port", "EBUSY", "0", "in-use", "-", meanwhile="in_use_by_hand",
      finally_="in_use; end_holder"),
    S("in-use-by-hand-7.2-efidrm", "7.2-efidrm", "efidrm", BOCHS, "root-port", "EBUSY", "0", "in-use", "-",
      meanwhile="in_use_by_hand", finally_="in_use; end_holder"),

    # Through an iommufd, beside the groups and without them.
    S("iommufd", "6.12", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="as-before", code="[iommufd]",
      finally_="release_to_start", **IOMMUFD),
    S("iommufd-without-groups", "6.12", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="as-before",
      given="without_groups", meanwhile="count_calls iommufd_device_attach", finally_="proven_through_node", **IOMMUFD),

    # A BAR without room: at boot, after a hot-plug, and lost by the claim's own rescan.
    *(S(f"no-room-at-boot-{kernel}", kernel, "-", BOCHS, "no-room", "-", "3", "-", "-", given="without_room",
        code="bar-unassigned", finally_=REMEDIES) for kernel in NO_ROOM),
    *(S(f"no-room-after-plug-{kernel}", kernel, "-", BOCHS, "no-room-for-more", "-", "3", "-", "-",
        given=f"plug_card {LARGE}; without_room", code="bar-unassigned", finally_=REMEDIES) for kernel in NO_ROOM),
    # Of the two BARs the first finds room, 1 GiB of it.
    S("rescan-loses-a-bar", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-bus", "EBUSY", "4", "-", "evict,rescan",
      then="less", meanwhile="align_bars 30", code="bar-unassigned",
      finally_="failed_with_loss 'error: .*BAR 2' 'simple-framebuffer.0'"),
    S("rescan-loses-all-bars", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "4", "-", "evict,rescan",
      then="less", meanwhile="align_bars 31", code="bar-unassigned",
      finally_="failed_with_loss 'error: .*BAR 0' 'error: .*BAR 2' 'simple-framebuffer.0'"),
    # The kernel says `failed to assign`, then gives the port a larger window and the BAR its room.
    S("rescan-finds-room-at-last", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "0", "mapped",
      "evict,rescan", meanwhile="align_bars 24", finally_="found_room_at_last"),

    # The way back.
    S("client-holds-on-release", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict",
      then="as-before", finally_="release_while_held"),
    S("release-hangs", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="as-before",
      finally_="release_hangs"),
    S("client-holds-on-release-7.x", "7.x", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict",
      then="as-before", finally_="release_while_held"),
    S("release-hangs-7.x", "7.x", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="as-before",
      finally_="release_hangs"),
    S("twenty-times", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="as-before",
      finally_="twenty_times", deadline=600),
    # `make soak`'s, and not of a whole run.
    S("two-hundred-times", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="as-before",
      finally_="repeatedly 200", deadline=1800, apart=True),
    S("release-7.2-efidrm", "7.2-efidrm", "efidrm", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict",
      then="as-before", finally_="report_same; release_to_start", deadline=400),
    S("release-native", "6.12", "bochs-drm", BOCHS, "root-port", "-", "0", "mapped", "unbind", then="as-before",
      given="load_native", finally_="release_to_start"),
    S("release-multi-function", "6.1", "efifb", BOCHS, "multi-function", "not-viable", "0", "mapped", "evict,unbind",
      then="as-before", given="load_for snd-hda-intel $OTHER", finally_="release_to_start"),
    S("release-vga-6.1", "6.1", "efifb", VGA, "root-port", "clear", "0", "mapped", "evict", then="less",
      code="the firmware console cannot come back", finally_="release_with_loss 'efi-framebuffer.0 is gone'"),
    S("release-after-rescan", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "0", "mapped",
      "evict,rescan", then="less", finally_="release_with_loss 'simple-framebuffer.0' 'BAR 2 .* has moved'"),
    S("release-after-rescan-5.10", "5.10-simplefb", "BOOTFB", BOCHS, "root-port", "EBUSY", "0", "mapped",
      "evict,rescan", options="--residue rescan", then="less", finally_="release_with_loss 'simple-framebuffer.0'"),
    S("release-after-bounce", "6.12-simpledrm", SIMPLEDRM, BOCHS, "root-port", "EBUSY", "0", "mapped",
      "bounce", options="--residue bounce --allow-native bochs", then="less",
      finally_="release_with_loss 'simple-framebuffer.0 is gone'"),

    # What it costs: figures, and no verdict on them.
    S("speed", "6.1", "efifb", BOCHS, "root-port", "-", "0", "mapped", "evict", then="as-before", script="speed",
      deadline=600),

    # A virtual machine monitor instead of the small client.
    S("real-client", "6.1", "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", client="real_client"),

    # A kernel that really hangs: nothing that is written to the card comes back until its driver lets go.
    *(S(f"claim-hangs-{kernel}", kernel, "lab_gpu", BOCHS, "root-port", "-", "1", "-", "unbind",
        then="as-before", given="load_gpu lab_gpu; modprobe lab_gpu_user", options="--write-deadline 5",
        finally_="claim_hangs", **HANGING) for kernel in ("6.1", "6.12")),
    *(S(f"release-hangs-in-probe-{kernel}", kernel, "lab_gpu", BOCHS, "root-port", "-", "0", "mapped",
        "unbind", then="as-before", given="load_gpu lab_gpu", finally_="release_hangs_in_probe", **HANGING)
      for kernel in ("6.1", "6.12")),
    # nvidia's modules keep the card busy without any process: seen before anything is written.
    *(S(f"nvidia-held-{kernel}", kernel, "nvidia", BOCHS, "root-port", "-", "3", "-", "-", then="claimed",
        given="load_nvidia", code="in-use", finally_="as_printed", **NVIDIA) for kernel in ("6.1", "6.12")),
    S("nvidia-unload", "6.12", "nvidia", BOCHS, "root-port", "-", "0", "mapped", "", then="as-before",
      given="load_nvidia", options="--unload", finally_="modules_come_back", **NVIDIA),

    # A card whose configuration reads all ones.
    *(S(f"dead-{kernel}", kernel, "efifb", BOCHS, "root-port", "-", "3", "-", "-", then="claimed", given="die",
        code="dead-device", finally_="refused_while_dead", **DEAD) for kernel in ("6.1", "6.12")),
    *(S(f"dies-in-use-{kernel}", kernel, "efifb", BOCHS, "root-port", "EBUSY", "0", "mapped", "evict", then="as-before",
        finally_="dies_in_use", **DEAD) for kernel in ("6.1", "6.12")),

    # A variant driver of VFIO's, found by its alias; and a card that is on it by another hand.
    *(S(f"variant-{kernel}", kernel, "efifb", BOCHS, "root-port", "-", "0", "mapped", "prepare,evict", then="as-before",
        meanwhile="planned lab_vfio_pci", finally_="release_to_start", **VARIANT) for kernel in ("6.1", "6.12")),
    *(S(f"variant-already-{kernel}", kernel, "-", BOCHS, "root-port", "-", "0", "mapped", "-", given="on_variant",
        finally_="left_alone", **VARIANT) for kernel in ("6.1", "6.12")),
)
