import UVKeeper

/// How a session ended, by everybody who says it: what a host was told, the record on disk, and what is left of its processes.
struct LifeEnd {
    /// What `Session.onEnd` gave; nil if nobody knew.
    let told: SessionExit?
    /// Read when that was told, before another keeper could replace it.
    let record: SessionRecord?
    /// The text of the record's file, in which an `exit` message stands word for word.
    let recordText: String
    /// The lines of this process that were reported written; their writer's name is random.
    let ownWritten: Int
    /// The highest number of the server with a journal that was reported written.
    let serverWritten: Int
    /// Processes of the session that still ran.
    let survivors: [Int32]

    /// What the keeper itself has written of it; nil if it was lost.
    var exit: SessionExit? { record?.exit?.reason == .keeperLost ? nil : record?.exit }
}
