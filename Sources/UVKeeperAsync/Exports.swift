// `import UVKeeperAsync` alone gives a host the names of sessions, loops and tasks.
@_exported public import UVKeeper
@_exported public import UVLoopAsync
