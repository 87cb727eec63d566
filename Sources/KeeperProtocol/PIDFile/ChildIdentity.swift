package import UVLoop

/// The identity of the child whose pid is in a child's pid file. The identity is an attribute of the file; the file's
/// contents stay the bare number that the original's tools read.
///
/// The attribute contains the file's inode number: a copy of the file, perhaps under the name of another session, thus
/// proves nothing. A file system without extended attributes loses the identity; the number in the file then proves
/// nothing.
///
/// Boot, start and inode can be read by everyone, so an identity is as trustworthy as the file's owner: this process's
/// user and root may name any process, and another user, in whose directory root may work, only processes of their own.
package enum ChildIdentity {
    /// The attribute's name.
    package static let attribute = "user.uvkeeper.child"

    /// Stores the identity with an open file, as `<boot id> <milliseconds> <inode>`.
    package static func keep(_ identity: ProcessIdentity, with file: OpenFile) throws(UVError) {
        try file.setAttribute(attribute, to: Array("\(identity.text) \(file.statusAtOpening.identity.inode)".utf8))
    }

    /// The identity stored with a file that has this pid in it; nil if there is none, if it belongs to another file, or
    /// if the file's owner may not name that process.
    package static func of(_ pid: Int32, in file: OpenFile) -> ProcessIdentity? {
        let owner = file.statusAtOpening.owner
        guard owner == 0 || owner == CurrentProcess.userID || owner == Processes.userID(of: pid) else { return nil }
        guard let text = file.attribute(attribute).map({ String(decoding: $0, as: UTF8.self) }) else { return nil }
        // An identity without an inode number is that of some other tool.
        guard let end = text.lastIndex(of: " "), text[..<end].contains(" ") else {
            return ProcessIdentity(pid: pid, text: text)
        }
        guard text[text.index(after: end)...] == "\(file.statusAtOpening.identity.inode)" else { return nil }
        return ProcessIdentity(pid: pid, text: String(text[..<end]))
    }
}
