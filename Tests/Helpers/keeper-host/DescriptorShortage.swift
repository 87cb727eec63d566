import Libc

/// All descriptors that this process may open, held until they are given back. A process that may open many would need
/// long for it: the limit is made low first.
final class DescriptorShortage {
    private var taken: [Int32] = []

    /// True once it has begun, and after its end.
    var hasBegun: Bool { !taken.isEmpty }

    init() {
        var limit = rlimit(rlim_cur: 64, rlim_max: 64)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    func begin() {
        while case let descriptor = openDescriptor("/dev/null", O_RDONLY), descriptor >= 0 { taken.append(descriptor) }
    }

    func end() { for descriptor in taken { closeDescriptor(descriptor) } }
}
