internal import CLibUV

/// Follows a file as `tail -F` does: hands over what is added to it, in order and each byte once, also when it is cut in
/// place, replaced by another file, or missing for a while.
///
/// **What is promised.** Everything that is added to the open file is read. If it is cut in place to nothing, what was added
/// to it after the last read before the cut cannot be read any more, and ``Event/cut`` says so; what is added after the cut
/// is read from the start of the file, also if the file has grown past the old place by then. If another file gets the path,
/// the old one is read to its end first, and then the other from its start. A file that had the path only between two looks
/// is not read, nor what was added and cut away between two.
///
/// **How a cut is known.** The file is smaller than the place, or the bytes before the place, up to 1024, or the first 256
/// of the file are others than before: looked at after each read and before its bytes are handed over. A file that is cut
/// and then filled with the very same bytes is taken for one that has grown. A file that is cut, but not to nothing, is read
/// from its start.
///
/// **How it waits.** The system tells of changes, and nothing is asked in between, except where it does not tell: on file
/// systems that other machines change (NFS, SMB, FUSE and their like), and where watching fails, at a limit for instance.
/// There it looks every ``fallbackInterval``, and ``Event/polling(reason:)`` says why. Looking and reading is done on libuv's
/// pool (``Loop/queueWork(_:completion:)``), one look at a time and at most 64 KiB in one: the start of an old log is read
/// from a disk, and a network file system may not answer for minutes; only ``start(from:onBytes:onEvent:)`` looks on the
/// loop's thread.
///
/// Mirrors `tail -F`; libuv has no such thing.
public final class FileTail: Handle {
    /// Where to begin in the file that has the path at the start; a file that appears later is read from its start.
    public enum Start: Hashable, Sendable {
        /// The first byte.
        case start
        /// Where the file ends at the start.
        case end
        /// A byte's place, 0 for the first; past the end of the file it is its end.
        case offset(UInt64)
        /// So many lines before the end, the last of which may lack its newline.
        case lastLines(Int)
    }

    /// What happened besides bytes.
    public enum Event: Hashable, Sendable {
        /// What follows is from this file: from where the start said, or from its start. After ``missing`` or
        /// ``unusable(_:)`` it may be the same file again; then it goes on where it was.
        case opened(FileIdentity)
        /// The file was cut in place, or filled with something else. What follows is from its start; a line whose end has
        /// not been read will not be completed.
        case cut
        /// Nothing has the path, and the tail waits. What is still added to a file that has lost its name is read on.
        case missing
        /// What has the path cannot be opened or read; the tail waits for that to change.
        case unusable(FileTailError)
        /// The system does not tell of changes, for this reason; the tail looks from time to time.
        case polling(reason: String)
    }

    /// What the tail does.
    enum Activity {
        case waiting
        /// A look is under way on the pool. `again`: something has happened since it began.
        case looking(again: Bool)
        /// Paused, with what the last look found at hand.
        case holding(TailLook)
        /// The user is called.
        case telling(again: Bool)
    }

    /// What the user was told last of the path.
    enum Situation: Equatable {
        case unknown
        case open(FileIdentity)
        case missing
        case unusable(FileTailError)
    }

    /// Everything between start and close.
    final class Following {
        let path: String
        let onBytes: (FileTail, RawSpan) -> Void
        let onEvent: (FileTail, Event) -> Void
        let watches: TailWatches
        /// How far the file was read.
        var place: TailPlace?
        /// How many bytes before the place were not handed over.
        var untold = 0
        var activity = Activity.waiting
        var situation = Situation.unknown
        var silence: String?
        /// What must be told before anything else.
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
    /// The path, as it was given.
    public let path: String
    /// How long it waits between two looks where the system does not tell of changes; at least a millisecond.
    public let fallbackInterval: Duration
    let followsLinks: Bool
    let alwaysPolls: Bool
    var following: Following?

    /// True between ``pause()`` and ``resume()``.
    public private(set) var isPaused = false

    /// Why the tail looks from time to time; nil if the system tells of changes.
    public var pollingReason: String? { following?.silence }

    /// Where in the open file the next byte comes from; 0 if no file was opened yet.
    public var offset: UInt64 { UInt64((following?.place?.offset ?? 0) - (following?.untold ?? 0)) }

    /// Creates a tail that follows nothing yet.
    ///
    /// - Parameters:
    ///   - path: a relative one is of the working directory at the start.
    ///   - followsLinks: a symbolic link as the last component is followed, and its exchange is a replacement; false: it is
    ///     an error, ``UVError/symbolicLink``. Links before it are followed.
    ///   - fallbackInterval: how often to look where the system does not tell of changes.
    ///   - alwaysPolls: do not watch: for a file system that is unknown here and does not tell what others change.
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

    /// Begins: opens the file if there is one, and finds the place to begin at. Once only.
    ///
    /// `onBytes` is lent each run of bytes, at most 64 KiB, on later ticks; the span is valid during the call only. A missing
    /// file, or directory, is no error: the tail says ``Event/missing`` and waits. Both closures are dropped at the close,
    /// and nothing is called after it but what the close calls.
    ///
    /// - Throws: ``FileTailError`` if what has the path cannot be followed or opened; the tail is as before then.
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

    /// Calls `onBytes` no more until ``resume()``; at most one run of bytes is kept meanwhile, the rest stays in the file.
    /// What is cut away while the tail is paused is lost; a file that is replaced is kept open. Does nothing after a close.
    public func pause() {
        guard !isClosing else { return }
        loop.requireOwner()
        isPaused = true
    }

    /// Goes on after ``pause()``, on a later tick. Does nothing after a close.
    public func resume() {
        guard !isClosing else { return }
        loop.requireOwner()
        guard isPaused else { return }
        isPaused = false
        guard case .holding = following?.activity else { return look() }
        loop.onNextTick { [self] in
            guard !isPaused, case .holding(let look) = following?.activity else { return }
            // What has happened since it was found out was not noted.
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
