// swift-tools-version: 6.2

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// The product holds two modules: UVKeeper, and KeeperSidecar, by which the harness is its own sidecar.
let keeper: Target.Dependency = .product(name: "UVKeeper", package: "uvkeeper")

// A package of its own, so that users of the library neither build it nor fetch what it depends on.
let package = Package(
    name: "uvkeeper-stress",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "uvkeeper-stress", targets: ["uvkeeper-stress"])
    ],
    dependencies: [
        .package(name: "uvkeeper", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // A module map and a header, nothing to link.
        .systemLibrary(name: "CPrlimit"),
        .executableTarget(
            name: "uvkeeper-stress",
            dependencies: [
                "CPrlimit", keeper,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings,
        ),
        // Links to the folders of the tests of the package above.
        .target(name: "Libc", path: "Tests/Libc", swiftSettings: settings),
        .target(
            name: "TestSupport",
            dependencies: ["Libc", .product(name: "UVLoop", package: "uvkeeper")],
            path: "Tests/TestSupport",
            swiftSettings: settings,
        ),
        .testTarget(
            name: "StressTests",
            dependencies: [
                keeper, "TestSupport", "uvkeeper-stress",
                .product(name: "uvkeeper-sidecar", package: "uvkeeper"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings,
        ),
    ]
)
