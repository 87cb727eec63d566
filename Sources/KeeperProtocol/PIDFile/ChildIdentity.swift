package import UVLoop

/// The identity of the child whose pid is in a child's pid file: kept with the file, beside its contents, which stay the
/// bare number that the original's tools read.
///
/// The file is named too, by its inode number: a copy of the file, under the name of another session perhaps, says nothing.
/// A file system without extended attributes loses it; then the number in the file proves nothing.
///
/// Boot, start and inode are everybody's to read, so an identity is worth as much as the word of the file's owner: this
/// process's user and root may name any process, and another user, in whose directory root may be, only processes of their
/// own.
package enum ChildIdentity {
    /// The attribute's name.
    package static let attribute = "user.uvkeeper.child"

    /// Keeps the identity with an open file, as `<boot id> <milliseconds> <inode>`.
    package static func keep(_ identity: ProcessIdentity, with file: OpenFile) throws(UVError) {
        try file.setAttribute(attribute, to: Array("\(identity.text) \(file.statusAtOpening.identity.inode)".utf8))
    }

    /// The identity that was kept with a file that has this pid in it; nil if there is none, it was kept with another file, or
    /// the file's owner may not name that process.
    package static func of(_ pid: Int32, in file: OpenFile) -> ProcessIdentity? {
        let owner = file.statusAtOpening.owner
        guard owner == 0 || owner == CurrentProcess.userID || owner == Processes.userID(of: pid) else { return nil }
        guard let text = file.attribute(attribute).map({ String(decoding: $0, as: UTF8.self) }) else { return nil }
        // One without a file's number is some other tool's.
        guard let end = text.lastIndex(of: " "), text[..<end].contains(" ") else {
            return ProcessIdentity(pid: pid, text: text)
        }
        guard text[text.index(after: end)...] == "\(file.statusAtOpening.identity.inode)" else { return nil }
        return ProcessIdentity(pid: pid, text: String(text[..<end]))
    }
}
