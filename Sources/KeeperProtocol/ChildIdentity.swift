package import UVLoop

/// The identity of the child whose pid is in a child's pid file: kept with the file, beside its contents, which stay the
/// bare number that the original's tools read.
///
/// A file system without extended attributes loses it; then the number in the file proves nothing.
package enum ChildIdentity {
    /// The attribute's name.
    package static let attribute = "user.uvkeeper.child"

    /// Keeps the identity with an open file.
    package static func keep(_ identity: ProcessIdentity, with file: OpenFile) throws(UVError) {
        try file.setAttribute(attribute, to: Array(identity.text.utf8))
    }

    /// The identity that was kept with a file that has this pid in it; nil if there is none.
    package static func of(_ pid: Int32, in file: OpenFile) -> ProcessIdentity? {
        file.attribute(attribute).flatMap { ProcessIdentity(pid: pid, text: String(decoding: $0, as: UTF8.self)) }
    }
}
