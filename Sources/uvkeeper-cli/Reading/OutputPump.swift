import UVKeeper

/// A writer to stdout and stderr on a thread, so that a slow reader stops only the source of the bytes.
final class OutputPump {
    /// The most bytes that may wait before the source is to pause.
    private static let highWater = 262_144

    private let loop: Loop
    /// Called to pause the source (false) and to let it go on (true).
    var onFlow: ((Bool) -> Void)?
    /// Called once when stdout or stderr takes no more bytes.
    var onFailure: (() -> Void)?
    private var waiting: [(descriptor: Int32, bytes: [UInt8])] = []
    private var waitingByteCount = 0
    private var isPaused = false
    private var onDrained: (() -> Void)?
    /// The error after which nothing more is written.
    private(set) var error: UVError?
    /// True while a thread writes, which cannot be interrupted.
    private(set) var isWriting = false

    init(on loop: Loop) {
        self.loop = loop
    }

    func write(_ bytes: [UInt8], to descriptor: Int32 = 1) {
        guard error == nil, !bytes.isEmpty else { return }
        waitingByteCount += bytes.count
        if let last = waiting.indices.last, waiting[last].descriptor == descriptor {
            waiting[last].bytes += bytes
        } else {
            waiting.append((descriptor, bytes))
        }
        if !isWriting { writeNext() }
        if !isPaused, waitingByteCount > OutputPump.highWater {
            isPaused = true
            onFlow?(false)
        }
    }

    /// Calls `done` once all bytes are written, or cannot be.
    func finish(_ done: @escaping () -> Void) {
        guard isWriting else { return end(done) }
        onDrained = { [self] in end(done) }
    }

    private func end(_ done: () -> Void) {
        // Both hold on to the owner of this object.
        (onFlow, onFailure) = (nil, nil)
        done()
    }

    private func writeNext() {
        guard error == nil, !waiting.isEmpty else {
            onDrained.take()?()
            return
        }
        let (descriptor, bytes) = waiting.removeFirst()
        isWriting = true
        do throws(UVError) {
            try loop.queueWork {
                OutputPump.write(bytes, to: descriptor)
            } completion: { [self] error in
                written(bytes.count, error)
            }
        } catch {
            // The pool has no threads: the write is done on the loop.
            let error = OutputPump.write(bytes, to: descriptor)
            loop.onNextTick { [self] in written(bytes.count, error) }
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> UVError? {
        do throws(UVError) {
            try Descriptors.write(bytes, to: descriptor)
            return nil
        } catch {
            return error
        }
    }

    private func written(_ count: Int, _ error: UVError?) {
        isWriting = false
        waitingByteCount -= count
        if let error {
            self.error = error
            waiting = []
            onFailure.take()?()
        }
        if isPaused, waitingByteCount <= OutputPump.highWater {
            isPaused = false
            onFlow?(true)
        }
        writeNext()
    }

    /// Reports on stderr that output is lost, unless the reader wanted no more.
    func reportLoss() {
        if let error, error != .brokenPipe { Output.error("the output could not be written") }
    }
}
