import UVKeeper

/// The reports of a session's end: the host's, the record on disk, and the remaining processes.
struct LifeEnd {
    /// The result of `Session.onEnd`; nil if it was unknown.
    let told: SessionExit?
    /// The record, read at that report, before another keeper could replace it.
    let record: SessionRecord?
    /// The text of the record's file, which contains an `exit` message word for word.
    let recordText: String
    /// The number of this process's lines that were reported written; their writer's name is random.
    let ownWritten: Int
    /// The number of this process's lines that went to the raw socket, and so have no number of their writer.
    let ownHandedOver: Int
    /// The highest number among the lines of the server with a journal that were reported written.
    let serverWritten: Int
    /// The processes of the session that still ran.
    let survivors: [Int32]

    /// The exit that the keeper itself has written; nil if it was lost.
    var exit: SessionExit? { record?.exit?.reason == .keeperLost ? nil : record?.exit }
}
