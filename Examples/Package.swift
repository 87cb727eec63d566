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
    ]
)
