internal import CLibUV

/// Zero-terminated strings and a null-terminated array of pointers to them, as for `argv` and `envp`, in memory that
/// lives exactly as long as this value (H67: the strings must live through the call).
struct CStringArray: ~Copyable {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    /// - Throws: ``UVError/invalidArgument`` for a string with a zero byte, where C would cut it off.
    init(_ strings: [[UInt8]]) throws(UVError) {
        guard !strings.contains(where: { $0.contains(0) }) else { throw .invalidArgument }
        count = strings.count
        pointers = .allocate(capacity: strings.count + 1)
        for (index, string) in strings.enumerated() {
            let copy = UnsafeMutableBufferPointer<CChar>.allocate(capacity: string.count + 1)
            UnsafeMutableRawBufferPointer(copy).copyBytes(from: string)
            copy[string.count] = 0
            (pointers + index).initialize(to: copy.baseAddress)
        }
        (pointers + strings.count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { pointers[index]?.deallocate() }
        pointers.deallocate()
    }
}
