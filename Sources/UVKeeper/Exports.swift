// `import UVKeeper` alone gives an embedder the loop, the session ids and the paths.
@_exported public import KeeperProtocol
@_exported public import UVLoop
