internal import CLibUV

/// Standard input, output and error of this process: the descriptors 0, 1 and 2.
public enum StandardStreams {
    /// Opens `/dev/null` on those of the descriptors 0, 1 and 2 that are closed, so that no file opened later gets such
    /// a number and is mistaken for a standard stream. For the first lines of a program's main.
    ///
    /// - Parameter failsOutput: true if writes to a standard output that was closed are to fail, as they do on a closed
    ///   descriptor; else they are lost.
    public static func openMissing(failsOutput: Bool = false) {
        while true {
            var descriptor = uvloop_open_null()
            if failsOutput, descriptor == 1 {
                _ = close(descriptor)
                // The lowest free descriptor is the one that was just closed.
                descriptor = uvloop_open_null_for_reading()
            }
            guard (0...2).contains(descriptor) else {
                if descriptor > 2 { _ = close(descriptor) }
                return
            }
        }
    }

    /// Replaces a descriptor by `/dev/null`.
    public static func openNull(as descriptor: Int32) throws(UVError) {
        let null = try checkErrno(uvloop_open_null())
        // The new descriptor may have got the wanted number, if that was free.
        guard null != descriptor else { return }
        try OwnedDescriptor(null).whileOpen { null throws(UVError) in _ = try checkErrno(dup2(null, descriptor)) }
    }

    /// The longest time that ``writeError(_:)`` waits for a reader.
    private static let longestWait = Duration.seconds(1)

    /// Writes a text to standard error, blocking or not. Waits for a full pipe for at most a second in all; the rest of
    /// the text is lost then, as it is if standard error is closed.
    public static func writeError(_ text: String) {
        var left = ArraySlice(RawText.bytes(of: text))
        let deadline = SystemClock.monotonicTime + longestWait
        while !left.isEmpty {
            let wait = (deadline - SystemClock.monotonicTime).milliseconds
            // A failure is ignored: a diagnostic cannot report its own.
            guard Descriptors.isWritable(2, within: wait) else { return }
            // A pipe that is ready takes 512 bytes without blocking, even if it is a blocking one.
            let count = left.prefix(512).withUnsafeBytes { CLibUV.write(2, $0.baseAddress, $0.count) }
            guard count >= 0 || [EINTR, EAGAIN].contains(uvloop_errno()) else { return }
            left = left.dropFirst(max(0, count))
        }
    }
}
