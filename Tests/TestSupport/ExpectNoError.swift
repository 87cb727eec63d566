public import Testing

/// Records the error of `body` and returns nil. For callbacks, which cannot throw.
@discardableResult
public func expectNoError<Value, Failure: Error>(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(Failure) -> Value,
) -> Value? {
    do throws(Failure) {
        return try body()
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
        return nil
    }
}
