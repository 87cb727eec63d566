/// Ends the process after misuse: prints the sentence to stderr, in release builds too, and traps.
///
/// `precondition` drops its sentence in release builds, which leaves a bare SIGILL to guess from; `fatalError` keeps it.
@inline(never)
package func trap(_ sentence: String, file: StaticString = #fileID, line: UInt = #line) -> Never {
    fatalError(sentence, file: file, line: line)
}

/// Traps unless a condition holds that only misuse breaks: a call after the caller's own close, on the wrong thread, or
/// in the wrong order. The sentence is built only when needed.
@inline(__always)
package func require(
    _ condition: Bool,
    _ sentence: @autoclosure () -> String,
    file: StaticString = #fileID,
    line: UInt = #line,
) {
    if !condition { trap(sentence(), file: file, line: line) }
}
