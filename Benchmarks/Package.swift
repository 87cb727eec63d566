// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that users of the library never build it. The peers it is compared with are in Peers/.
let package = Package(
    name: "uvkeeper-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "uvkeeper", path: "..")
    ],
    targets: [
        .executableTarget(
            name: "uvbench",
            dependencies: [
                .product(name: "UVKeeper", package: "uvkeeper"),
                .product(name: "UVLoopAsync", package: "uvkeeper"),
            ],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("MemberImportVisibility"),
                .enableUpcomingFeature("InternalImportsByDefault"),
            ],
        )
    ]
)
