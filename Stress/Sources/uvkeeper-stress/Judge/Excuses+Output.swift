import UVKeeper

extension FaultRecord.Kind {
    /// Whether it is of output, or of those who read it.
    var needsReaders: Bool {
        switch self {
        case .readerPaused, .readerFrozen, .readerCut, .diskFull, .childFloods: true
        default: false
        }
    }
}

/// What a fault can do to output.
extension FaultRecord {
    /// Whether it may have kept the keeper of that life from writing output.
    func losesOutput(in life: Int, of session: Int) -> Bool { self.session == session && output?.life == life }

    /// The bytes that may not have been written because of it: they came while it lasted, or were in the pipe when it began.
    func lost(_ stream: ChildStream, in life: Int, of session: Int) -> Range<UInt64>? {
        guard losesOutput(in: life, of: session), let before = output?.before[stream] else { return nil }
        let first = before - min(before, Judge.pipeCapacity)
        return first..<max(first, outputAfter?[stream] ?? .max)
    }

    /// Whether the library may give up reading because of it: nothing can be opened, or nobody gets to run.
    func endsReads(at time: UInt64, of isDriven: Bool) -> Bool {
        switch kind {
        case .descriptorsExhausted: !isDriven && hasEffect(at: time)
        case .machineStalled: hasEffect(at: time)
        default: false
        }
    }

    private func hasEffect(at time: UInt64) -> Bool { time >= start && (end.map { time <= $0 + aftermath } ?? true) }
}
