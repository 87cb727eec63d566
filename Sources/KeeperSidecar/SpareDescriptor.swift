internal import UVLoop

/// A descriptor that is open for nothing but to be free later, when every other one may belong to a client.
final class SpareDescriptor {
    /// To hold one process, and to read a file about another while a directory is open.
    static let count = 3
    /// With a lower limit every descriptor is a client's, until the end of the session.
    private static let lowestLimit: UInt64 = 32

    private var descriptor: OwnedDescriptor?

    private init() throws(UVError) {
        descriptor = try Descriptors.duplicate(0)
    }

    deinit { descriptor.take()?.close() }

    /// As many as are needed, or as there are.
    static func some() -> [SpareDescriptor] {
        guard DescriptorLimit.current.soft >= lowestLimit else { return [] }
        var spares: [SpareDescriptor] = []
        while spares.count < count {
            do throws(UVError) { spares.append(try SpareDescriptor()) } catch { break }
        }
        return spares
    }
}
