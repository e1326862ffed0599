package import Aperture
package import Configuration

/// Whether a GPU's unit is enabled, whether the configuration pins the card, and whether the initramfs reserves it.
/// ``EnablementReader`` reads it.
package struct Enablement: Hashable, Sendable {
    /// The GPU's address.
    package let address: PCIAddress
    /// The links that make systemd start the unit, by path; empty when it is not enabled.
    package var links: Fact<[String]>
    /// The link to /dev/null that masks the unit or the template, by path; `nil` when nothing does.
    package var mask: Fact<String?>
    /// The sections that say which card is meant by more than its address. Without one, any card at the address is
    /// claimed.
    package var pins: Fact<[ConfigurationPlace]>
    /// What the initramfs of this boot did for the GPU.
    package var image: Image

    /// What the initramfs that this boot used did for the GPU. An image that was made since is not known.
    package enum Image: Hashable, Sendable {
        /// It reserved the GPU.
        case reserved
        /// It lists the GPU, and did not reserve it, for this reason.
        case passedOver(String)
        /// It does not list the GPU. One of ``ImageTool`` could put it there.
        case absent
        /// No tool that makes such images has apertured's hook.
        case noTool
        /// It could not be read, for this reason.
        case unknown(String)
    }

    /// Whether systemd starts the unit when the GPU appears; `nil` when that could not be read. A masked unit is not
    /// enabled.
    package var isEnabled: Bool? {
        guard let links = links.value, let mask = mask.value else { return nil }
        return mask == nil && !links.isEmpty
    }

    /// Whether the configuration would refuse another card at this address; `nil` when that could not be read.
    package var isPinned: Bool? { pins.value.map { !$0.isEmpty } }

    /// The enablement of a GPU, from what was read.
    package init(
        address: PCIAddress, links: Fact<[String]>, mask: Fact<String?>, pins: Fact<[ConfigurationPlace]>,
        image: Image
    ) {
        self.address = address
        self.links = links
        self.mask = mask
        self.pins = pins
        self.image = image
    }
}
