package import UVLoop

/// The names of signals in records: without `SIG`.
package enum SignalNumbers {
    package static func name(of signal: Signal) -> String { String(signal.description.dropFirst(3)) }

    /// Nil if no signal of this system has the name.
    static func number(of name: String) -> Int32? {
        (1...64).map { Signal(rawValue: $0) }.first { self.name(of: $0) == name }?.rawValue
    }
}
