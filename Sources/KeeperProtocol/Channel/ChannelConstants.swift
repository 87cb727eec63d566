/// The limits of the channel's protocol, as channel.md gives them.
package enum ChannelConstants {
    /// The version of the protocol.
    package static let version = 1
    /// The longest header of a client, in bytes, newline included.
    package static let longestRequest = 65_536
    /// The longest header that a client accepts; a keeper sends 131,072 bytes at most.
    package static let longestMessage = 1 << 20
    /// The longest header that a keeper sends.
    package static let longestAnswer = 131_072
    /// The most bytes of output in one message.
    package static let longestChunk = 65_536
    /// How many names of writers a keeper remembers.
    package static let rememberedWriters = 1024
    /// How many connections a channel has at most.
    package static let connections = 1024
    /// How long a client may take to read why its connection ends, and how much of what it sends meanwhile is thrown away.
    package static let partingTime: Duration = .seconds(1)
    package static let partingByteCount = 1 << 20
    /// A connect without ``ChannelMessage/hello(_:)`` in this time has failed.
    package static let helloTime: Duration = .seconds(2)
    /// A keeper that owes an answer and says nothing for this time does not answer.
    package static let answerTime: Duration = .seconds(5)
}
