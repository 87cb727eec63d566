// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that nobody else fetches Hummingbird.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let loop: Target.Dependency = .product(name: "UVLoop", package: "uvkeeper")

/// The keeper's executable, which the build puts beside the server.
let sidecar: Target.Dependency = .product(name: "uvkeeper-sidecar", package: "uvkeeper")

let package = Package(
    name: "uvkeeper-dashboard",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "uvkeeper", path: "../.."),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        // Hummingbird has these, too.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.0.0"),
    ],
    targets: [
        .executableTarget(
            name: "dashboard",
            dependencies: [
                .product(name: "UVKeeperAsync", package: "uvkeeper"),
                .product(name: "UVKeeper", package: "uvkeeper"),
                sidecar,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            // The program is one file, and its page is in it.
            resources: [
                .embedInCode("Page/index.html"), .embedInCode("Page/style.css"), .embedInCode("Page/main.js"),
                .embedInCode("Page/api.js"), .embedInCode("Page/list.js"), .embedInCode("Page/session.js"),
                .embedInCode("Page/output.js"), .embedInCode("Page/dialogs.js"), .embedInCode("Page/words.js"),
                .embedInCode("Page/icon.svg"),
            ],
            swiftSettings: settings),
        // Links to folders of the package above.
        .target(name: "Libc", path: "Tests/Libc", swiftSettings: settings),
        .target(
            name: "TestSupport", dependencies: ["Libc", loop], path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "DashboardTests", dependencies: ["TestSupport", "dashboard", loop, sidecar], swiftSettings: settings),
    ]
)
