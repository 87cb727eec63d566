/// A look at a followed file and at its path, on a thread of the pool: the changes to report, and the place to continue
/// from.
struct TailLook: Sendable {
    enum Found: Sendable {
        case bytes([UInt8])
        /// The file was cut in place; the place is its start now.
        case cut
        /// The file was read to its end, and still has the path.
        case end
        /// The old file, if any, was read to its end, and another file has the path, which is open now.
        case opened
        /// The file was read to its end, and no file has the path.
        case missing
        /// The open file cannot be read, or the path's file cannot be opened.
        case unusable(FileTailError)
    }

    let found: Found
    /// The open file; nil before the first.
    private(set) var place: TailPlace?
    /// The path as the look found it; nil if the look ended with bytes or a cut, before it came to the path.
    private(set) var trace: PathTrace?

    /// Looks at the open file and, once the file is read to its end, at the path.
    init(at path: String, from place: TailPlace?, followingLinks: Bool = true, limit: Int) {
        self.place = place
        var failure: UVError?
        switch self.place?.read(limit: limit) {
        case nil, .end: break
        case .bytes(let bytes):
            found = .bytes(bytes)
            return
        case .cut:
            found = .cut
            return
        // The path is checked after a failure too: another file may have it, for instance if a server has forgotten the
        // old one.
        case .failed(let error): failure = error
        }
        let trace = PathTrace(path)
        switch trace.end {
        case .missing: found = .missing
        case .unknown(let error): found = .unusable(FileTailError(path: path, systemError: error))
        case .file(let identity, _) where identity == place?.identity:
            found = failure.map { .unusable(FileTailError(path: path, systemError: $0)) } ?? .end
        case .file:
            // The old file may have grown until it was replaced, which was before now, so the read that follows gets
            // all of it.
            switch failure == nil ? self.place?.read(limit: limit) : nil {
            case nil, .end, .failed: break
            case .bytes(let bytes):
                found = .bytes(bytes)
                return
            case .cut:
                found = .cut
                return
            }
            do throws(FileTailError) {
                self.place = try TailPlace(opening: path, followingLinks: followingLinks)
                found = .opened
            } catch {
                found = error.systemError == .noEntry ? .missing : .unusable(error)
            }
        }
        self.trace = trace
    }
}
