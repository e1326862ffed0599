internal import CLinux
internal import Glibc
internal import Sysfs
internal import SystemPackage

/// Reads `driver_override` files, which the kernel shows under their device's lock (`driver_override_show()`): while a
/// bind or an unbind of the device hangs, so does whoever reads. They are read in a process that may be left behind.
struct OverrideReader {
    let tree: FileTree
    /// How long one file may take, in milliseconds.
    let deadline: Int32

    /// Far longer than a driver's probe takes, which holds the lock as well.
    static let patience: Int32 = 10_000

    /// Each file's text, in the order of the paths; `nil` for a file that is not there and for `(null)`, which is how the
    /// kernel prints none.
    func read(_ paths: [String]) throws(FileTreeError) -> [Result<String?, FileTreeError>] {
        guard let first = paths.first else { return [] }
        let names = unsafe paths.map { unsafe UnsafePointer(strdup($0)) }
        defer { unsafe names.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) } }
        let size = Int(CLINUX_READ_SIZE)
        var errors = [CInt](repeating: 0, count: paths.count)
        var texts = [CChar](repeating: 0, count: paths.count * size)
        let error = unsafe clinux_read_guarded(tree.enclosure, names, names.count, deadline, &errors, &texts)
        guard error == 0 else { throw FileTreeError(.read, first, Errno(rawValue: error)) }
        return paths.indices.map { index in
            let text = texts[index * size..<(index + 1) * size].prefix { $0 != 0 }
            return answer(paths[index], errors[index], text)
        }
    }

    func read(_ path: String) throws(FileTreeError) -> String? {
        guard let only = try read([path]).first else { return nil }
        return try only.get()
    }

    private func answer(_ path: String, _ errno: CInt, _ text: ArraySlice<CChar>) -> Result<String?, FileTreeError> {
        guard errno == 0 else {
            var error = FileTreeError(.read, path, Errno(rawValue: errno))
            if error.isAbsence { return .success(nil) }
            if error.errno == .timedOut {
                error.detail = """
                    the kernel has held the device's lock for \(deadline / 1000) s: a bind, an unbind or a removal of it hangs
                    """
            }
            return .failure(error)
        }
        let value = String(decoding: text.prefix { $0 != 0x0a }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return .success(value.isEmpty || value == "(null)" ? nil : value)
    }
}
