internal import CLibUV

/// A descriptor with one owner, who closes it or gives it away.
///
/// An owner that drops the descriptor while it is open has forgotten one of its ways out: a debug build traps with a
/// sentence, a release build closes the descriptor.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The number, for system calls; this value still owns the descriptor.
    public let number: Int32

    /// Takes ownership of an open descriptor.
    public init(_ number: Int32) { self.number = number }

    deinit {
        assertionFailure("descriptor \(number) was dropped open: its owner closes it or gives it away")
        _ = CLibUV.close(number)
    }

    /// Closes the descriptor. Mirrors `close(2)`; not repeated on EINTR, since the descriptor is closed even then.
    public consuming func close() {
        _ = CLibUV.close(number)
        discard self
    }

    /// Gives the descriptor away: the caller now owns the number.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// Lends the number to `body` and closes the descriptor after it, even if it throws.
    public consuming func whileOpen<Result, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Result,
    ) throws(Failure) -> Result {
        do throws(Failure) {
            let result = try body(number)
            close()
            return result
        } catch {
            close()
            throw error
        }
    }

    /// Gives the descriptor to the code that `body` passes the number to; closes it if `body` throws.
    public consuming func handOver<Result, Failure: Error>(
        to body: (Int32) throws(Failure) -> Result,
    ) throws(Failure) -> Result {
        do throws(Failure) {
            let result = try body(number)
            discard self
            return result
        } catch {
            close()
            throw error
        }
    }
}
