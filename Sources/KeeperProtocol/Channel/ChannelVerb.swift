internal import UVLoop

/// The first word of a client's message.
package enum ChannelVerb: String, Hashable, Sendable, CaseIterable {
    case writer
    case write
    case read
    case status
    case endInput = "eof"
    case signal
    case stop
    case label
    case ping
}
