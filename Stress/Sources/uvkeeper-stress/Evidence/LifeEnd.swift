import UVKeeper

/// How a session ended, by everybody who says it: what a host was told, the record on disk, and what is left of its processes.
struct LifeEnd {
    /// What `Session.onEnd` gave; nil if nobody knew.
    let told: SessionExit?
    /// Read when that was told, before another keeper could replace it.
    let record: SessionRecord?
    /// The text of the record's file, in which an `exit` message stands word for word.
    let recordText: String
    /// What clients of the channel got as `exit`.
    let messages: [String]
    /// The highest number that was reported written, by the name of its writer; one that ends in a star is the start of a name.
    let acknowledged: [String: Int]
    /// Processes of the session that still ran.
    let survivors: [Int32]
}
