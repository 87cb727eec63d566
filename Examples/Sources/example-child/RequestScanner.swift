/// Finds the ids of the requests in a line of JSON-RPC, which may be a batch, without a JSON parser.
///
/// The scanner takes valid JSON for granted, and looks only at the keys of the outermost objects.
struct RequestScanner {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    /// Returns the ids as they stand in the line: numbers, or strings with their quotes. Notifications have no id, and
    /// an object with an id but no method is an answer.
    static func requestIDs(in line: ArraySlice<UInt8>) -> [String] {
        var scanner = RequestScanner(bytes: line, position: line.startIndex)
        return scanner.requestIDs()
    }

    private mutating func requestIDs() -> [String] {
        var ids: [String] = []
        var id: String?
        var isRequest = false
        let isBatch = bytes.first { $0 > UInt8(ascii: " ") } == UInt8(ascii: "[")
        let keyDepth = isBatch ? 2 : 1
        var depth = 0
        while position < bytes.endIndex {
            switch bytes[position] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == keyDepth {
                    if isRequest, let id { ids.append(id) }
                    (id, isRequest) = (nil, false)
                }
                depth -= 1
            case UInt8(ascii: "\""):
                let string = token()
                guard depth == keyDepth, skipColon() else { continue }
                if string == "\"method\"" { isRequest = true }
                if string == "\"id\"" { id = token() }
                continue
            default: break
            }
            position += 1
        }
        return ids
    }

    /// Reads the string, number or name at the position, and moves behind it.
    private mutating func token() -> String {
        let start = position
        if bytes[position] == UInt8(ascii: "\"") {
            position += 1
            while position < bytes.endIndex, bytes[position] != UInt8(ascii: "\"") {
                position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
            }
            position += 1
        } else {
            let ends = Array(" \t\r,}]".utf8)
            while position < bytes.endIndex, !ends.contains(bytes[position]) { position += 1 }
        }
        position = min(position, bytes.endIndex)
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// Moves behind a colon and the white space around it; returns false if there is none.
    private mutating func skipColon() -> Bool {
        skipSpace()
        guard position < bytes.endIndex, bytes[position] == UInt8(ascii: ":") else { return false }
        position += 1
        skipSpace()
        return position < bytes.endIndex
    }

    private mutating func skipSpace() {
        while position < bytes.endIndex, bytes[position] <= UInt8(ascii: " ") { position += 1 }
    }
}
