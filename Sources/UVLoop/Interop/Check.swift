internal import CLibUV

/// The one place where a status of libuv becomes an error: negative throws, anything else is handed back.
@inline(__always)
@discardableResult
func check(_ status: CInt) throws(UVError) -> CInt {
    if status < 0 { throw UVError(rawValue: status) }
    return status
}

/// The same for calls of libc: -1 throws the error in `errno`.
@inline(__always)
@discardableResult
func checkErrno(_ result: CInt) throws(UVError) -> CInt {
    if result == -1 { throw UVError(errno: uvloop_errno()) }
    return result
}

/// Nil for success, else the error: what completions take.
@inline(__always)
func failure(_ status: CInt) -> UVError? {
    status < 0 ? UVError(rawValue: status) : nil
}
