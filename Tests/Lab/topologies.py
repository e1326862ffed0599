"""Where the cards sit: QEMU devices and the PCI addresses they get.

`{card}` stands for the scenario's card. Buses are numbered by the order of the bridges, which is fixed here by slot.
"""

import dataclasses

PORT_1 = "pcie-root-port,id=port1,bus=pcie.0,addr=01.0,chassis=1,slot=1"
PORT_2 = "pcie-root-port,id=port2,bus=pcie.0,addr=02.0,chassis=2,slot=2"

PORT_3 = "pcie-root-port,id=port3,bus=pcie.0,addr=03.0,chassis=3,slot=3"
# Of bochs-display: its BAR 0, which is not 64-bit. With the rest of a card, a port's window of it takes 257 MiB.
LARGE = "vgamem=268435456"


@dataclasses.dataclass(frozen=True)
class Topology:
    devices: tuple
    gpu: str
    # The other function or card the scenario is about, if any.
    other: str = ""


TOPOLOGIES = {
    # The only card with a name: it can be pulled and plugged again.
    "root-port": Topology((PORT_1, "{card},id=gpu0,bus=port1,addr=00.0"), "0000:01:00.0"),
    "root-bus": Topology(("{card},bus=pcie.0,addr=01.0",), "0000:00:01.0"),
    # Identical ids; the firmware's screen is on the first.
    "two-gpus": Topology((PORT_1, PORT_2, "{card},bus=port1,addr=00.0", "{card},bus=port2,addr=00.0"),
                         "0000:01:00.0", "0000:02:00.0"),
    "two-gpus-claim-second": Topology((PORT_1, PORT_2, "{card},bus=port1,addr=00.0", "{card},bus=port2,addr=00.0"),
                                      "0000:02:00.0", "0000:01:00.0"),
    # Sound at function 1, as on nearly every real card.
    "multi-function": Topology((PORT_1, "{card},bus=port1,addr=00.0,multifunction=on", "intel-hda,bus=port1,addr=00.1"),
                               "0000:01:00.0", "0000:01:00.1"),
    # A sibling in an IOMMU group of its own, as an APU's are: of QEMU's devices only a root port has ACS, which that takes.
    # Both functions behind one port would share a group, as they do above.
    "function-apart": Topology(("{card},bus=pcie.0,addr=01.0,multifunction=on",
                                "pcie-root-port,id=port1,bus=pcie.0,addr=01.1,chassis=1,slot=1",
                                "virtio-rng-pci,bus=port1,addr=00.0"), "0000:00:01.0", "0000:00:01.1"),
    # Three cards with a BAR of 256 MiB that has to lie below 4 GiB, and room for two: the firmware leaves the GPU out.
    "no-room": Topology((PORT_1, PORT_2, PORT_3, f"{{card}},id=gpu0,bus=port1,addr=00.0,{LARGE}",
                         f"{{card}},bus=port2,addr=00.0,{LARGE}", f"{{card}},bus=port3,addr=00.0,{LARGE}"),
                        "0000:01:00.0", "0000:02:00.0"),
    # The same before the GPU is plugged in.
    "no-room-for-more": Topology((PORT_1, PORT_2, PORT_3, f"{{card}},bus=port2,addr=00.0,{LARGE}",
                                  f"{{card}},bus=port3,addr=00.0,{LARGE}"), "0000:01:00.0", "0000:02:00.0"),
    # Conventional PCI behind a bridge: requests carry the bridge's id, so both cards are in one IOMMU group.
    "shared-group": Topology((PORT_1, "pcie-pci-bridge,id=bridge1,bus=port1,addr=00.0",
                              "{card},bus=bridge1,addr=01.0", "e1000,bus=bridge1,addr=02.0,romfile="),
                             "0000:02:01.0", "0000:02:02.0"),
}
