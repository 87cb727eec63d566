internal import CLibUV

/// Turns a status of libuv into an error: throws if it is negative, otherwise returns it. The only place that does.
@inline(__always)
@discardableResult
func check(_ status: CInt) throws(UVError) -> CInt {
    if status < 0 { throw UVError(rawValue: status) }
    return status
}

/// Does the same for calls of libc: -1 throws the error in `errno`.
@inline(__always)
@discardableResult
func checkErrno(_ result: CInt) throws(UVError) -> CInt {
    if result == -1 { throw UVError(errno: uvloop_errno()) }
    return result
}

/// Returns nil for success, else the error; the form that completions take.
@inline(__always)
func failure(_ status: CInt) -> UVError? {
    status < 0 ? UVError(rawValue: status) : nil
}
