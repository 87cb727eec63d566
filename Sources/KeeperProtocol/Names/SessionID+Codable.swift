extension SessionID: Codable {
    /// Reads an id from text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(SessionIDError) {
            self = try SessionID(text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.message(for: text))
        }
    }

    /// Writes the id as text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}
