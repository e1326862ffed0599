import Testing
import VFIO

/// The kernel's answer to VFIO_DEVICE_GET_REGION_INFO, put together by hand.
private struct Answer {
    var flags: UInt32 = 0x7
    var first: UInt32 = 0
    var size: UInt64 = 0x4000
    var offset: UInt64 = 2 << 40
    var capabilities: [UInt8] = []

    var bytes: [UInt8] {
        let head = number(UInt32(32 + capabilities.count)) + number(flags) + number(2 as UInt32) + number(first)
        return head + number(size) + number(offset) + capabilities
    }
}

private func number(_ value: some FixedWidthInteger) -> [UInt8] {
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}

private func capability(_ id: UInt16, next: UInt32, _ body: [UInt8] = []) -> [UInt8] {
    number(id) + number(1 as UInt16) + number(next) + body
}

private func areas(count: UInt32? = nil, _ areas: [(UInt64, UInt64)]) -> [UInt8] {
    number(count ?? UInt32(areas.count)) + number(0 as UInt32) + areas.flatMap { number($0) + number($1) }
}

@Suite("What VFIO says of a region")
struct RegionInfoTests {
    @Test("Size, place and whether it can be mapped")
    func plain() {
        #expect(RegionInfo(Answer().bytes) == RegionInfo(size: 0x4000, offset: 2 << 40, canMap: true))
        #expect(RegionInfo(Answer(flags: 0x3).bytes) == RegionInfo(size: 0x4000, offset: 2 << 40, canMap: false))
    }

    @Test("Both capabilities, and one that is of no interest between them; an area without a byte is none")
    func chain() {
        let whole = Answer(
            flags: 0xf, first: 32,
            capabilities: capability(1, next: 96, areas([(0, 0x1000), (0x2000, 0), (0x3000, 0x1000)]))
                + capability(2, next: 104) + capability(3, next: 0))
        #expect(
            RegionInfo(whole.bytes)
                == RegionInfo(
                    size: 0x4000, offset: 2 << 40, canMap: true, areas: [0..<0x1000, 0x3000..<0x4000], canMapMSIX: true)
        )
    }

    @Test("What stands behind the structure counts only where the flag says so")
    func flag() {
        let answer = Answer(flags: 0x7, first: 32, capabilities: capability(3, next: 0))
        #expect(RegionInfo(answer.bytes)?.canMapMSIX == false)
        #expect(
            RegionInfo(Answer(flags: 0xf, first: 0, capabilities: capability(3, next: 0)).bytes)?.canMapMSIX == false)
    }

    @Test(
        "An answer that cannot be right is none",
        arguments: [
            [UInt8](repeating: 0, count: 31),
            Answer(flags: 0xf, first: 32).bytes,
            Answer(flags: 0xf, first: 4000, capabilities: capability(3, next: 0)).bytes,
            Answer(flags: 0xf, first: .max, capabilities: capability(3, next: 0)).bytes,
            // A chain that leads back.
            Answer(flags: 0xf, first: 32, capabilities: capability(2, next: 32)).bytes,
            Answer(flags: 0xf, first: 40, capabilities: capability(2, next: 0) + capability(2, next: 32)).bytes,
            // A head without its areas, with fewer than it counts, and with one that passes 2^64.
            Answer(flags: 0xf, first: 32, capabilities: capability(1, next: 0)).bytes,
            Answer(flags: 0xf, first: 32, capabilities: capability(1, next: 0, areas(count: 2, [(0, 0x1000)]))).bytes,
            Answer(flags: 0xf, first: 32, capabilities: capability(1, next: 0, areas(count: .max, []))).bytes,
            Answer(flags: 0xf, first: 32, capabilities: capability(1, next: 0, areas([(0x1000, .max)]))).bytes,
        ])
    func malformed(_ bytes: [UInt8]) {
        #expect(RegionInfo(bytes) == nil)
    }
}
