/// One look at a followed file and at the way to it, on a thread of the pool: what there is to tell, and from where to go on.
struct TailLook: Sendable {
    enum Found: Sendable {
        case bytes([UInt8])
        /// The file was cut in place.
        case cut
        /// Everything is read; the path leads to the file that is open.
        case end
        /// Everything is read; the path leads to another file, which is open now. Also the first.
        case opened
        /// Everything is read; nothing has the path.
        case missing
        /// The file cannot be read, or what has the path cannot be opened.
        case unusable(FileTailError)
    }

    let found: Found
    /// The file that is open; nil before the first.
    private(set) var place: TailPlace?
    /// Nil if there was more to read, and nobody looked at the path.
    private(set) var trace: PathTrace?

    /// Looks at the open file, and, once that is read to its end, at the path.
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
        // Another file may have the path, for instance where a server has forgotten the old one.
        case .failed(let error): failure = error
        }
        let trace = PathTrace(path)
        switch trace.end {
        case .missing: found = .missing
        case .unknown(let error): found = .unusable(FileTailError(path: path, systemError: error))
        case .file(let identity, _) where identity == place?.identity:
            found = failure.map { .unusable(FileTailError(path: path, systemError: $0)) } ?? .end
        case .file:
            // The old file may have grown until it was replaced, and that was before now.
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
