// `import UVLoopAsync` alone gives a host the loop's own names: errors, addresses, signals.
@_exported public import UVLoop
