import Libc

/// Returns two connected sockets, close-on-exec; the caller closes them.
func socketPair() -> (Int32, Int32) {
    var pair: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    precondition(socketpair(AF_UNIX, kind, 0, &pair) == 0, "socketpair: \(errno)")
    return (pair[0], pair[1])
}
