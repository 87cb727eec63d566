// `import UVKeeper` alone gives a host the loop, and those names shared by keeper and server that are in UVKeeper's own
// interface.
@_exported public import UVLoop

@_exported public import enum KeeperProtocol.ChildStream
@_exported public import enum KeeperProtocol.KeeperConstants
@_exported public import struct KeeperProtocol.KeeperPaths
@_exported public import struct KeeperProtocol.KeptRange
@_exported public import struct KeeperProtocol.SessionExit
@_exported public import struct KeeperProtocol.SessionID
@_exported public import enum KeeperProtocol.SessionIDError
@_exported public import struct KeeperProtocol.SessionLabels
@_exported public import struct KeeperProtocol.SessionRecord
@_exported public import struct KeeperProtocol.SessionStatus
@_exported public import struct KeeperProtocol.StopLadder
@_exported public import struct KeeperProtocol.WriterName
@_exported public import struct KeeperProtocol.WriterState
