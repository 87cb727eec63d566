/// The limits of the channel's protocol, as channel.md gives them.
package enum ChannelConstants {
    /// The version of the protocol.
    package static let version = 1
    /// The longest header of a client, in bytes, newline included.
    package static let longestRequest = 65_536
    /// The longest header that a client accepts, in bytes; a keeper sends ``longestAnswer`` at most.
    package static let longestMessage = 1 << 20
    /// The longest header that a keeper sends, in bytes.
    package static let longestAnswer = 131_072
    /// The most bytes of output in one message.
    package static let longestChunk = 65_536
    /// The number of writers' names that a keeper remembers.
    package static let rememberedWriters = 1024
    /// The most connections of a channel.
    package static let connections = 1024
    /// The time that a client has to read why its connection ends, and the most bytes it may send meanwhile, which are
    /// discarded.
    package static let partingTime: Duration = .seconds(1)
    package static let partingByteCount = 1 << 20
    /// A connect has failed if ``ChannelMessage/hello(_:)`` has not come within this time.
    package static let helloTime: Duration = .seconds(2)
    /// A keeper counts as not answering if it owes an answer and sends nothing for this time.
    package static let answerTime: Duration = .seconds(5)
}
