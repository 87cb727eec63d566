internal import CLibUV

/// The environment of a process: `NAME=value` entries as bytes, since they need not be UTF-8; their text is
/// ``RawText``.
public struct ProcessEnvironment: Hashable, Sendable {
    /// The entries, in order, without terminating zeros.
    public var entries: [[UInt8]]

    /// Creates an environment from entries.
    public init(entries: [[UInt8]]) {
        self.entries = entries
    }

    /// Creates an environment from names and values, in the order of the names.
    public init(_ variables: [String: String]) {
        entries = variables.sorted { $0.key < $1.key }.map { RawText.bytes(of: "\($0.key)=\($0.value)") }
    }

    /// The current environment of this process. Setting variables on another thread meanwhile is a race, as in C.
    public static var current: ProcessEnvironment {
        var entries: [[UInt8]] = []
        var next = uvloop_environ()
        while let entry = next?.pointee {
            entries.append(Array(UnsafeRawBufferPointer(start: entry, count: strlen(entry))))
            next = next! + 1
        }
        return ProcessEnvironment(entries: entries)
    }

    /// The value of a variable; if several entries have the name, that of the first, as for `getenv`. Setting replaces
    /// all of them; setting nil removes them.
    public subscript(name: String) -> String? {
        get {
            let prefix = RawText.bytes(of: "\(name)=")
            guard let entry = entries.first(where: { $0.starts(with: prefix) }) else { return nil }
            return RawText.string(entry[prefix.count...])
        }
        set {
            let prefix = RawText.bytes(of: "\(name)=")
            entries.removeAll { $0.starts(with: prefix) }
            if let newValue { entries.append(prefix + RawText.bytes(of: newValue)) }
        }
    }

    /// The variables as a dictionary; if several entries have one name, the first counts.
    public var variables: [String: String] { variables(startingWith: [""]) }

    /// The variables whose names begin with one of these, as a dictionary.
    public func variables(startingWith starts: [String]) -> [String: String] {
        var variables: [String: String] = [:]
        for entry in entries where starts.contains(where: { entry.starts(with: $0.utf8) }) {
            guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let name = RawText.string(entry[..<equals])
            if variables[name] == nil { variables[name] = RawText.string(entry[(equals + 1)...]) }
        }
        return variables
    }
}
