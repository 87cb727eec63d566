/// One thing that reads bytes from outside, and what must hold for all of them.
struct Target: Sendable {
    let name: String
    /// Traps if something does not hold.
    let run: @Sendable (UnsafeRawBufferPointer) -> Void

    static let all = [
        Target(name: "request", run: ChannelTargets.request),
        Target(name: "message", run: ChannelTargets.message),
        Target(name: "json", run: JSONTarget.run),
        Target(name: "lines", run: FramerTargets.lines),
        Target(name: "headers", run: FramerTargets.headers),
        Target(name: "conversation", run: ConversationTarget.run),
        Target(name: "record", run: FileTargets.record),
        Target(name: "segment", run: FileTargets.segment),
        Target(name: "pidfile", run: FileTargets.pidFile),
        Target(name: "bus", run: BusTargets.message),
        Target(name: "scope", run: BusTargets.conversation),
    ]

    /// The target that `--target=NAME` names. An argument that begins with two dashes is none of libFuzzer's.
    static let chosen: Target = {
        let option = "--target="
        let name = CommandLine.arguments.first { $0.hasPrefix(option) }?.dropFirst(option.count)
        guard let target = all.first(where: { $0.name == name ?? "" }) else {
            fatalError("\(option) names one of \(all.map(\.name).joined(separator: ", "))")
        }
        return target
    }()
}

/// Traps if something does not hold: then the input is kept in a file, and names the flaw.
func require(_ holds: Bool, _ message: @autoclosure () -> String) {
    if !holds { fatalError(message()) }
}

/// Lends the bytes of an array.
func lend<Result, Failure: Error>(
    _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result,
) throws(Failure) -> Result {
    try bytes.span.bytes.withUnsafeBytes { (bytes) throws(Failure) in try body(bytes) }
}
