internal import CLibUV

/// The errors of `getaddrinfo` and `getnameinfo`, which libuv numbers apart from those of system calls.
extension UVError {
    /// `UV_EAI_NONAME`: the name does not exist, or the network's name servers say so.
    public static let unknownName = UVError(rawValue: UV_EAI_NONAME.rawValue)
    /// `UV_EAI_NODATA`: the name exists, but has no address.
    public static let noAddress = UVError(rawValue: UV_EAI_NODATA.rawValue)
    /// `UV_EAI_ADDRFAMILY`: the name has no address of the families that were asked for.
    public static let noAddressOfFamily = UVError(rawValue: UV_EAI_ADDRFAMILY.rawValue)
    /// `UV_EAI_AGAIN`: no name server has answered; a later try may succeed.
    public static let lookupTemporarilyFailed = UVError(rawValue: UV_EAI_AGAIN.rawValue)
    /// `UV_EAI_FAIL`: a name server has refused to answer.
    public static let lookupFailed = UVError(rawValue: UV_EAI_FAIL.rawValue)
}
