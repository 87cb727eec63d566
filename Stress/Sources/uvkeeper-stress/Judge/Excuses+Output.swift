import UVKeeper

extension FaultRecord.Kind {
    /// True for a fault of output, or of its readers.
    var needsReaders: Bool {
        switch self {
        case .readerPaused, .readerFrozen, .readerCut, .diskFull, .childFloods: true
        default: false
        }
    }
}

/// The effects of a fault on output.
extension FaultRecord {
    /// True if the fault may have kept the keeper of that life from writing output.
    func losesOutput(in life: Int, of session: Int) -> Bool { self.session == session && output?.life == life }

    /// Returns the bytes that may not have been written because of the fault: they came while it lasted, or were in the
    /// pipe or the keeper's buffer at its start.
    func lost(_ stream: ChildStream, in life: Int, of session: Int) -> Range<UInt64>? {
        guard losesOutput(in: life, of: session), let before = output?.before[stream] else { return nil }
        let first = before - min(before, Judge.pipeCapacity + Judge.bufferCapacity)
        return first..<max(first, outputAfter?[stream] ?? .max)
    }

    /// True if the library may give up reading because of the fault: no file can be opened, or no process gets to run.
    func endsReads(at time: UInt64, of isDriven: Bool) -> Bool {
        switch kind {
        case .descriptorsExhausted: !isDriven && hasEffect(at: time)
        case .machineStalled: hasEffect(at: time)
        default: false
        }
    }

    private func hasEffect(at time: UInt64) -> Bool { time >= start && (end.map { time <= $0 + aftermath } ?? true) }
}
