package import UVLoop

/// A way in which users other than this one, root and the group can replace a directory or its contents.
///
/// A case's `component` is the part of the path where the exposure is; nil for the directory itself.
package enum DirectoryExposure: Hashable, Sendable, CustomStringConvertible {
    /// The directory, or one on the way to it, belongs to a user who is not trusted.
    case ownedBy(UInt32, component: String?)
    /// The directory is writable by everybody.
    case writableByEverybody(mode: UInt32, component: String?)
    /// The directory is writable by somebody through its access control list.
    case writableByList(AccessList.Holder, component: String?)
    /// A symbolic link on the way belongs to a user who is not trusted.
    case linkOwnedBy(UInt32, name: String)
    /// The exposure cannot be determined.
    case unknown(UVError, component: String)

    /// A phrase for the end of a sentence that names the directory.
    package var description: String {
        switch self {
        case .ownedBy(let user, nil): "it belongs to user \(user)"
        case .ownedBy(let user, let component?): "\(component), on the way to it, belongs to user \(user)"
        case .writableByEverybody(let mode, nil):
            "everybody may write to it, its mode is \(String(mode, radix: 8))"
        case .writableByEverybody(let mode, let component?):
            "everybody may write to \(component), on the way to it, whose mode is \(String(mode, radix: 8))"
        case .writableByList(let holder, let component):
            "\(DirectoryExposure.name(holder)) may write to \(component.map { "\($0), on the way to it," } ?? "it")"
                + " by its access control list"
        case .linkOwnedBy(let user, let name): "the symbolic link \(name) on the way to it belongs to user \(user)"
        case .unknown(let error, let component): "\(component) cannot be looked at: \(error)"
        }
    }

    private static func name(_ holder: AccessList.Holder) -> String {
        switch holder {
        case .user(let id): "user \(id)"
        case .group(let id): "group \(id)"
        }
    }
}
