# Written by scripts/check-cmake --update: do not edit.

set(UVLoop_SOURCES
    Sources/UVLoop/Placeholder.swift
)

set(KeeperProtocol_SOURCES
    Sources/KeeperProtocol/Placeholder.swift
)

set(UVKeeper_SOURCES
    Sources/UVKeeper/Placeholder.swift
)

set(KeeperSidecar_SOURCES
    Sources/KeeperSidecar/Placeholder.swift
)

set(uvkeeper-sidecar_SOURCES
    Sources/uvkeeper-sidecar/main.swift
)
