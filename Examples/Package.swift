// swift-tools-version: 6.2

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// The product holds two modules: UVKeeper for servers, and KeeperSidecar for those that are their own sidecar.
let keeper: Target.Dependency = .product(name: "UVKeeper", package: "uvkeeper")

let loop: Target.Dependency = .product(name: "UVLoop", package: "uvkeeper")

/// The keeper's executable, which the build puts beside the tests.
let sidecar: Target.Dependency = .product(name: "uvkeeper-sidecar", package: "uvkeeper")

/// A program on UVLoop alone.
func program(_ name: String) -> Target {
    .executableTarget(name: name, dependencies: ["Program", loop], swiftSettings: settings)
}

/// One on a loop below another poller.
func host(_ name: String, _ more: [Target.Dependency] = []) -> Target {
    .executableTarget(name: name, dependencies: ["HostedEcho", "Program", loop] + more, swiftSettings: settings)
}

let package = Package(
    name: "uvkeeper-examples",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "uvkeeper", path: "..")
    ],
    targets: [
        .executableTarget(name: "embedding", dependencies: [keeper], swiftSettings: settings),
        .executableTarget(name: "example-server", dependencies: [keeper], swiftSettings: settings),
        .executableTarget(name: "example-child", dependencies: [keeper], swiftSettings: settings),
        .executableTarget(name: "example-client", dependencies: [keeper], swiftSettings: settings),
        .executableTarget(
            name: "one-binary",
            dependencies: [keeper], swiftSettings: settings),
        // The code that the articles of the documentation show.
        .executableTarget(
            name: "articles",
            dependencies: [
                "Program", keeper, loop, .product(name: "UVLoopAsync", package: "uvkeeper"),
                .product(name: "UVKeeperAsync", package: "uvkeeper"),
            ],
            swiftSettings: settings),
        .executableTarget(name: "tour", dependencies: [loop], swiftSettings: settings),
        // How each explains itself, and ends.
        .target(name: "Program", dependencies: [loop], swiftSettings: settings),
        program("tcp-echo"), program("tcp-chat"), program("udp-echo"), program("connect"), program("resolve"),
        program("fetch"), program("follow"), program("line-editor"),
        // Loops below other pollers; the one below SwiftNIO is a package of its own, NIOHost.
        .target(name: "HostedEcho", dependencies: ["Program", loop], swiftSettings: settings),
        host("host-poll"), host("host-dispatch", [.product(name: "UVLoopDispatch", package: "uvkeeper")]),
        // Links to the folders of the tests of the package above.
        .target(name: "Libc", path: "Tests/Libc", swiftSettings: settings),
        .target(
            name: "TestSupport", dependencies: ["Libc", loop], path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "ExamplesTests",
            dependencies: [
                loop, sidecar, "Libc", "TestSupport", "tcp-echo", "tcp-chat", "udp-echo", "connect", "resolve", "fetch",
                "follow", "line-editor", "host-poll", "host-dispatch", "tour", "articles",
                "one-binary",
            ],
            swiftSettings: settings),
    ]
)
