public import Testing

/// For callbacks, which cannot throw: records the error and returns nil.
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
