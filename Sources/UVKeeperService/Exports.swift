#if Service
// `import UVKeeperService` alone gives a host the names of sessions, and of services.
@_exported public import ServiceLifecycle
@_exported public import UVKeeperAsync
#endif
