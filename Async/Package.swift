// swift-tools-version: 6.2

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// The tests of the async products. Those of the package above block the threads that tasks share, and a task of a test that
// runs beside them waits for seconds: so these run in a process of their own.
let package = Package(
    name: "uvkeeper-async-tests",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "uvkeeper", path: "..", traits: [.defaults, "Service"]),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.7.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.9.0"),
    ],
    targets: [
        // Links to the folders of the tests of the package above.
        .target(name: "Libc", path: "Tests/Libc", swiftSettings: settings),
        .target(
            name: "TestSupport",
            dependencies: ["Libc", .product(name: "UVLoop", package: "uvkeeper")],
            path: "Tests/TestSupport",
            swiftSettings: settings,
        ),
        // What must run in a process of its own.
        .executableTarget(
            name: "flood-server",
            dependencies: [.product(name: "UVLoopAsync", package: "uvkeeper")],
            path: "Tests/Helpers/flood-server",
            swiftSettings: settings,
        ),
        .testTarget(
            name: "UVLoopAsyncTests",
            dependencies: [.product(name: "UVLoopAsync", package: "uvkeeper"), "Libc", "TestSupport", "flood-server"],
            swiftSettings: settings,
        ),
        .testTarget(
            name: "UVKeeperAsyncTests",
            dependencies: [
                .product(name: "UVKeeperAsync", package: "uvkeeper"), "TestSupport",
                .product(name: "uvkeeper-sidecar", package: "uvkeeper"),
            ],
            swiftSettings: settings,
        ),
        .testTarget(
            name: "UVKeeperServiceTests",
            dependencies: [
                .product(name: "UVKeeperService", package: "uvkeeper"), "TestSupport",
                .product(name: "uvkeeper-sidecar", package: "uvkeeper"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings,
        ),
    ]
)
