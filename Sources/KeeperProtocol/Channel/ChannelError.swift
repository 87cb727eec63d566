/// The reason why a keeper refuses a client's request.
package struct ChannelError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The stable word for programs.
    package enum Code: String, Hashable, Sendable, CaseIterable {
        case grammar
        case tooLong = "too-long"
        case sequence
        case writerReplaced = "writer-replaced"
        case unknownVerb = "unknown-verb"
        case epoch
        case writerForgotten = "writer-forgotten"
        case inputClosed = "input-closed"
        case noOutput = "no-output"
        case argument
        case notPermitted = "not-permitted"
        case busy

        /// True if the error ends the connection.
        package var closes: Bool {
            switch self {
            case .grammar, .tooLong, .sequence, .writerReplaced: true
            case .unknownVerb, .epoch, .writerForgotten, .inputClosed, .noOutput, .argument, .notPermitted, .busy:
                false
            }
        }
    }

    package let code: Code
    /// The verb that failed; `-` if the header had none.
    package let verb: String
    /// After `write`: the sequence number of the line that the error is about.
    package let sequence: UInt64?
    /// The explanation for people, in one line.
    package let text: String

    package init(_ code: Code, _ verb: String, sequence: UInt64? = nil, _ text: String) {
        self.code = code
        self.verb = verb
        self.sequence = sequence
        self.text = text
    }

    package init(_ code: Code, _ verb: ChannelVerb, sequence: UInt64? = nil, _ text: String) {
        self.init(code, verb.rawValue, sequence: sequence, text)
    }

    package var description: String { "\(code.rawValue): \(text)" }
}
