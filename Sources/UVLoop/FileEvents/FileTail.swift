internal import CLibUV

/// Follows a file as `tail -F` does: hands over the bytes added to it, in order and each once, also when the file is
/// cut in place, replaced by another, or missing for a while.
///
/// **Promise.** Everything that is added to the open file is read. If the file is cut in place to nothing, bytes that
/// were added after the last read before the cut are lost, and ``Event/cut`` says so; bytes added after the cut are
/// read from the start of the file, even if the file has grown past the old place by then. If another file gets the
/// path, the old one is read to its end first, and then the other from its start. Not read are a file that had the path
/// only between two looks, and bytes that were added and cut away between two.
///
/// **Cuts.** A cut shows in the file's size, smaller than the place, or in changed bytes: up to 1024 before the place,
/// or the first 256 of the file. Both are checked after each read, before its bytes are handed over. A file that is cut
/// and then filled with the very same bytes is taken for one that has grown. A file that is cut, but not to nothing, is
/// read from its start.
///
/// **Waiting.** The system tells of changes, and the tail does not look in between, with two exceptions: file systems
/// that other machines change (NFS, SMB, FUSE and their like), and failed watches, at a limit for instance. There the
/// tail looks every ``fallbackInterval``, and ``Event/polling(reason:)`` says why. Looking and reading run on libuv's
/// pool (``Loop/queueWork(_:completion:)``), one look at a time and at most 64 KiB in one: the start of an old log is
/// read from a disk, and a network file system may not answer for minutes. Only ``start(from:onBytes:onEvent:)`` looks
/// on the loop's thread.
///
/// Mirrors `tail -F`; libuv has no equivalent.
public final class FileTail: Handle {
    /// The place to begin at in the file that has the path at the start; a file that appears later is read from its
    /// start.
    public enum Start: Hashable, Sendable {
        /// The first byte.
        case start
        /// The end of the file at the time of the start.
        case end
        /// The place of a byte, 0 for the first; clamped to the end of the file.
        case offset(UInt64)
        /// The start of the last `n` lines, the last of which may lack its newline.
        case lastLines(Int)
    }

    /// A change besides bytes.
    public enum Event: Hashable, Sendable {
        /// A file was opened, and the bytes that follow are its: from the configured start, or from its first byte.
        /// After ``missing`` or ``unusable(_:)`` it may be the same file again; reading then continues where it was.
        case opened(FileIdentity)
        /// The file was cut in place, or filled with other bytes. The bytes that follow are from its start; a line
        /// whose end has not been read will not be completed.
        case cut
        /// No file has the path, and the tail waits. A file that lost its name is still read if it grows.
        case missing
        /// The path's file cannot be opened or read; the tail waits for that to change.
        case unusable(FileTailError)
        /// The system does not tell of changes, for this reason; the tail looks from time to time.
        case polling(reason: String)
    }

    /// The state of the tail.
    enum Activity {
        case waiting
        /// A look is under way on the pool. `again` is true if something has happened since it began.
        case looking(again: Bool)
        /// The tail is paused, and keeps the result of the last look.
        case holding(TailLook)
        /// The user's closures are being called.
        case telling(again: Bool)
    }

    /// The state of the path that the user was told last.
    enum Situation: Equatable {
        case unknown
        case open(FileIdentity)
        case missing
        case unusable(FileTailError)
    }

    /// The resources and the state between start and close.
    final class Following {
        let path: String
        let onBytes: (FileTail, RawSpan) -> Void
        let onEvent: (FileTail, Event) -> Void
        let watches: TailWatches
        /// The place in the file up to which it was read.
        var place: TailPlace?
        /// The number of bytes before the place that were not handed over yet.
        var untold = 0
        var activity = Activity.waiting
        var situation = Situation.unknown
        var silence: String?
        /// Events to deliver before anything else.
        var events: [Event] = []

        init(
            _ path: String,
            _ onBytes: @escaping (FileTail, RawSpan) -> Void,
            _ onEvent: @escaping (FileTail, Event) -> Void,
            _ watches: TailWatches,
        ) {
            self.path = path
            self.onBytes = onBytes
            self.onEvent = onEvent
            self.watches = watches
        }
    }

    static let chunk = 65536
    /// The path as it was given.
    public let path: String
    /// The time between two looks where the system does not tell of changes; at least a millisecond.
    public let fallbackInterval: Duration
    let followsLinks: Bool
    let alwaysPolls: Bool
    var following: Following?

    /// True between ``pause()`` and ``resume()``.
    public private(set) var isPaused = false

    /// The reason why the tail looks from time to time; nil if the system tells of changes.
    public var pollingReason: String? { following?.silence }

    /// The place of the next byte in the open file; 0 if no file was opened yet.
    public var offset: UInt64 { UInt64((following?.place?.offset ?? 0) - (following?.untold ?? 0)) }

    /// Creates a tail that follows nothing yet.
    ///
    /// - Parameters:
    ///   - path: a relative path is resolved at the start, against the working directory.
    ///   - followsLinks: true: a symbolic link as the last component is followed, and its exchange is a replacement;
    ///     false: it is an error, ``UVError/symbolicLink``. Links before the last component are always followed.
    ///   - fallbackInterval: how often to look where the system does not tell of changes.
    ///   - alwaysPolls: true to watch nothing: for a file system unknown to the tail that does not tell what others
    ///     change.
    ///   - loop: the loop that it lives on.
    public init(
        _ path: String,
        followsLinks: Bool = true,
        fallbackInterval: Duration = .milliseconds(250),
        alwaysPolls: Bool = false,
        on loop: Loop,
    ) {
        self.path = path
        self.fallbackInterval = fallbackInterval
        self.followsLinks = followsLinks
        self.alwaysPolls = alwaysPolls
        super.init(uv_timer_t.self, on: loop) { _ = uv_timer_init(loop.raw, $0) }
    }

    /// Begins: opens the file if there is one, and finds the place to begin at. May be called once.
    ///
    /// `onBytes` is lent each run of bytes, at most 64 KiB, on later ticks; the span is valid during the call only. A
    /// missing file, or directory, is no error: the tail reports ``Event/missing`` and waits. The close drops both
    /// closures; only the close itself calls anything after it.
    ///
    /// - Throws: ``FileTailError`` if the path's file cannot be followed or opened; the tail is as before then.
    public func start(
        from start: Start = .end,
        onBytes: @escaping (FileTail, RawSpan) -> Void,
        onEvent: @escaping (FileTail, Event) -> Void = { _, _ in },
    ) throws(FileTailError) {
        guard isUsable("FileTail.start: the tail is closed") else { throw error(.canceled) }
        require(following == nil, "FileTail.start: the tail follows already")
        let watches = TailWatches(on: loop)
        let following = Following(try absolutePath(), onBytes, onEvent, watches)
        do throws(UVError) { try ThreadPool.prepare() } catch { throw self.error(error) }
        do throws(FileTailError) {
            var place = try TailPlace(opening: following.path, followingLinks: followsLinks)
            do throws(UVError) { try place.go(to: start) } catch { throw self.error(error) }
            following.place = place
            following.situation = .open(place.identity)
            following.events = [.opened(place.identity)]
        } catch {
            guard error.systemError == .noEntry else { throw self.error(error.systemError) }
        }
        watches.onEvent = { [weak self] in self?.look() }
        self.following = following
        startTimerThatIsNeverDue()
        look()
    }

    /// Stops calling `onBytes` until ``resume()``; at most one run of bytes is kept meanwhile, the rest stays in the
    /// file. Bytes that are cut away while the tail is paused are lost; a file that is replaced is kept open. Does
    /// nothing after a close.
    public func pause() {
        guard !isClosing else { return }
        loop.requireOwner()
        isPaused = true
    }

    /// Continues after ``pause()``, on a later tick. Does nothing after a close.
    public func resume() {
        guard !isClosing else { return }
        loop.requireOwner()
        guard isPaused else { return }
        isPaused = false
        guard case .holding = following?.activity else { return look() }
        loop.onNextTick { [self] in
            guard !isPaused, case .holding(let look) = following?.activity else { return }
            // Changes since that look were not noted, so the tail looks again.
            tell(look, again: true)
        }
    }

    private func error(_ error: UVError) -> FileTailError { FileTailError(path: path, systemError: error) }

    private func absolutePath() throws(FileTailError) -> String {
        guard !path.isEmpty else { throw error(.noEntry) }
        guard path.utf8.first != UInt8(ascii: "/") else { return path }
        do throws(UVError) {
            return "\(try CurrentProcess.workingDirectory())/\(path)"
        } catch {
            throw self.error(error)
        }
    }

    override func willClose() {
        following?.watches.onEvent = nil
        following?.watches.end()
        following = nil
    }
}
