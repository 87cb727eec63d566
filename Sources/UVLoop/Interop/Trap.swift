/// The end of the process for misuse: the sentence goes to stderr, in release builds too, and then the process traps.
///
/// `precondition` drops its sentence in release builds, which leaves a bare SIGILL to guess from; `fatalError` keeps it.
@inline(never)
package func trap(_ sentence: String, file: StaticString = #fileID, line: UInt = #line) -> Never {
    fatalError(sentence, file: file, line: line)
}

/// A condition that only misuse breaks: what the caller did after its own close, on the wrong thread, or in the wrong
/// order. The sentence is built only when it is needed.
@inline(__always)
package func require(
    _ condition: Bool,
    _ sentence: @autoclosure () -> String,
    file: StaticString = #fileID,
    line: UInt = #line,
) {
    if !condition { trap(sentence(), file: file, line: line) }
}
