// swift-tools-version: 6.2

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// `scripts/install` links libuv's archive into the executables; everybody else gets the shared library.
let libuv = Context.environment["UVKEEPER_STATIC_LIBUV"] == "1" ? "libuv-static" : "libuv"

// Without its trait a dependency is not even resolved: who uses UVLoop alone fetches nothing.
let logging = Target.Dependency.product(
    name: "Logging", package: "swift-log", condition: .when(traits: ["Keeper"]))
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Command"]))
let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle", condition: .when(traits: ["Service"]))
let metrics = Target.Dependency.product(
    name: "CoreMetrics", package: "swift-metrics", condition: .when(traits: ["Service"]))

// Only `scripts/docs` wants the plugin that makes pages; nobody who builds or uses this package fetches it.
let documentation: [Package.Dependency] =
    Context.environment["UVKEEPER_DOCS"] == "1"
    ? [.package(url: "https://github.com/swiftlang/swift-docc-plugin", exact: "1.5.0")] : []

let package = Package(
    name: "uvkeeper",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "UVLoop", targets: ["UVLoop"]),
        .library(name: "UVLoopDispatch", targets: ["UVLoopDispatch"]),
        .library(name: "UVKeeper", targets: ["UVKeeper", "KeeperSidecar"]),
        .library(name: "UVLoopAsync", targets: ["UVLoopAsync"]),
        .library(name: "UVKeeperAsync", targets: ["UVKeeperAsync"]),
        .library(name: "UVKeeperService", targets: ["UVKeeperService"]),
        .executable(name: "uvkeeper-sidecar", targets: ["uvkeeper-sidecar"]),
        .executable(name: "uvkeeper", targets: ["uvkeeper-cli"]),
    ],
    traits: [
        .default(enabledTraits: ["Keeper", "Command"]),
        .trait(name: "Keeper", description: "The product UVKeeper, which needs swift-log."),
        .trait(
            name: "Command", description: "The command uvkeeper, which needs swift-argument-parser.",
            enabledTraits: ["Keeper"]),
        .trait(
            name: "Service",
            description: "The product UVKeeperService, which needs swift-service-lifecycle and swift-metrics.",
            enabledTraits: ["Keeper"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.7.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.9.0"),
    ] + documentation,
    targets: [
        .systemLibrary(
            name: "CLibUV",
            pkgConfig: libuv,
            providers: [.apt(["libuv1-dev"]), .brew(["libuv"])],
        ),
        .target(name: "UVLoop", dependencies: ["CLibUV"], swiftSettings: settings),
        .target(name: "UVLoopDispatch", dependencies: ["UVLoop"], swiftSettings: settings),
        .target(name: "KeeperProtocol", dependencies: ["UVLoop"], swiftSettings: settings),
        .target(
            name: "UVKeeper",
            dependencies: ["UVLoop", "KeeperProtocol", logging],
            swiftSettings: settings,
        ),
        .target(name: "KeeperSidecar", dependencies: ["UVLoop", "KeeperProtocol"], swiftSettings: settings),
        .target(name: "UVLoopAsync", dependencies: ["UVLoop"], swiftSettings: settings),
        .target(
            name: "UVKeeperAsync",
            dependencies: ["UVLoop", "UVLoopAsync", "KeeperProtocol", "UVKeeper", logging],
            swiftSettings: settings,
        ),
        // Empty without its trait.
        .target(
            name: "UVKeeperService",
            dependencies: ["UVLoop", "UVLoopAsync", "UVKeeper", "UVKeeperAsync", lifecycle, metrics],
            swiftSettings: settings,
        ),
        .executableTarget(name: "uvkeeper-sidecar", dependencies: ["KeeperSidecar"], swiftSettings: settings),
        .executableTarget(
            name: "uvkeeper-cli",
            dependencies: [
                "UVKeeper", "KeeperProtocol", "KeeperSidecar",
                argumentParser,
            ],
            swiftSettings: settings,
        ),
        .target(name: "Libc", path: "Tests/Libc", swiftSettings: settings),
        .target(
            name: "TestSupport",
            dependencies: ["Libc", "UVLoop"],
            path: "Tests/TestSupport",
            swiftSettings: settings,
        ),
        // What must run in a process of its own: limits, signals, descriptors, children.
        .executableTarget(
            name: "uvloop-test-helper",
            dependencies: ["KeeperProtocol", "Libc", "UVLoop"],
            path: "Tests/Helpers/uvloop-test-helper",
            swiftSettings: settings,
        ),
        .testTarget(
            name: "UVLoopTests",
            dependencies: ["UVLoop", "Libc", "TestSupport", "uvloop-test-helper"],
            swiftSettings: settings,
        ),
        .testTarget(
            name: "KeeperProtocolTests",
            dependencies: ["KeeperProtocol", "TestSupport", "UVLoop", "uvloop-test-helper"],
            swiftSettings: settings,
        ),
        .executableTarget(
            name: "keeper-host",
            dependencies: ["Libc", "UVKeeper", "KeeperSidecar"],
            path: "Tests/Helpers/keeper-host",
            swiftSettings: settings,
        ),
        .testTarget(
            name: "UVKeeperTests",
            dependencies: [
                "UVKeeper", "Libc", "TestSupport", "uvkeeper-sidecar", "keeper-host",
                logging,
            ],
            swiftSettings: settings,
        ),
        .testTarget(
            name: "KeeperSidecarTests",
            dependencies: ["KeeperSidecar", "Libc", "TestSupport", "uvkeeper-sidecar", "uvloop-test-helper"],
            swiftSettings: settings,
        ),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["UVKeeper", "TestSupport", "uvkeeper-sidecar", "uvkeeper-cli", "uvloop-test-helper"],
            swiftSettings: settings,
        ),
    ]
)
