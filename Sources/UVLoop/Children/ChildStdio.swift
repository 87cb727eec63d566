internal import CLibUV

/// The descriptors of a child that is about to start, and our streams at their other ends.
final class ChildStdio {
    /// Our descriptors, by the number of the copy that the child gets; nil: `/dev/null`.
    private(set) var childDescriptors: [CInt?] = []
    private(set) var streams: [PipeStream?] = []
    private var ownedChildEnds: [CInt] = []

    init(_ stdio: [ChildProcess.Stdio], on loop: Loop) throws(SpawnError) {
        do throws(UVError) {
            // At least three: otherwise the first file that the child opens would become its standard output.
            for number in 0..<max(3, stdio.count) {
                switch number < stdio.count ? stdio[number] : .ignore {
                case .ignore: try addNothing(at: number)
                case .descriptor(let descriptor):
                    guard descriptor >= 0 else { throw .badDescriptor }
                    add(descriptor, nil)
                case .pipe: try addPipe(at: number, on: loop)
                }
            }
        } catch {
            closeAll()
            throw .resources(error)
        }
    }

    /// Closes our copies of the child's ends. After the spawn, when the child has its own.
    func closeChildEnds() {
        for descriptor in ownedChildEnds { OwnedDescriptor(descriptor).close() }
        ownedChildEnds = []
    }

    /// Closes everything. After a failed spawn.
    func closeAll() {
        closeChildEnds()
        for stream in streams { stream?.close() }
        streams = []
    }

    private func add(_ descriptor: CInt?, _ stream: PipeStream?) {
        childDescriptors.append(descriptor)
        streams.append(stream)
    }

    private func addNothing(at number: Int) throws(UVError) {
        guard number > 2 else { return add(nil, nil) }
        // libuv opens no `/dev/null` from descriptor 3 on, so we do.
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        let descriptor = try check(uv_fs_open(nil, &request, "/dev/null", O_RDWR | O_CLOEXEC, 0, nil))
        ownedChildEnds.append(descriptor)
        add(descriptor, nil)
    }

    private func addPipe(at number: Int, on loop: Loop) throws(UVError) {
        // Both calls make every descriptor close-on-exec, and our end non-blocking.
        let nonBlocking = CInt(UV_NONBLOCK_PIPE.rawValue)
        var pair: (CInt, CInt) = (-1, -1)
        let (ours, theirs): (CInt, CInt)
        switch number {
        case 0:
            try withPair(&pair) { uv_pipe($0, 0, nonBlocking) }
            (ours, theirs) = (pair.1, pair.0)
        case 1, 2:
            try withPair(&pair) { uv_pipe($0, nonBlocking, 0) }
            (ours, theirs) = (pair.0, pair.1)
        default:
            try withPair(&pair) { uv_socketpair(CInt(SOCK_STREAM.rawValue), 0, $0, nonBlocking, 0) }
            (ours, theirs) = (pair.0, pair.1)
        }
        ownedChildEnds.append(theirs)
        let stream = try OwnedDescriptor(ours).handOver { number throws(UVError) in
            try PipeStream(takingOwnershipOf: number, on: loop)
        }
        add(theirs, stream)
    }

    private func withPair(
        _ pair: inout (CInt, CInt),
        _ body: (UnsafeMutablePointer<CInt>) -> CInt,
    ) throws(UVError) {
        var status: CInt = 0
        withUnsafeMutableBytes(of: &pair) { status = body($0.baseAddress!.assumingMemoryBound(to: CInt.self)) }
        try check(status)
    }
}
