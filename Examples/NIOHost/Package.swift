// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that nobody else fetches SwiftNIO.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let loop: Target.Dependency = .product(name: "UVLoop", package: "uvkeeper")

let package = Package(
    name: "uvkeeper-nio-host",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "uvkeeper", path: "../.."),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
    ],
    targets: [
        // Links to folders of the package above.
        .target(name: "Program", dependencies: [loop], swiftSettings: settings),
        .target(name: "HostedEcho", dependencies: ["Program", loop], swiftSettings: settings),
        .executableTarget(
            name: "host-nio",
            dependencies: [
                "HostedEcho", "Program", loop,
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .target(name: "Libc", path: "Tests/Libc", swiftSettings: settings),
        .target(
            name: "TestSupport", dependencies: ["Libc", loop], path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "NIOHostTests", dependencies: ["TestSupport", loop, "host-nio"], swiftSettings: settings),
    ]
)
