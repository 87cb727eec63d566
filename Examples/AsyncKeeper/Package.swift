// swift-tools-version: 6.2

import PackageDescription

// What a consumer of the async products writes, and nothing more: scripts/check-consumers builds it as it stands.
let package = Package(
    name: "async-keeper",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "uvkeeper", path: "../..")],
    targets: [
        .executableTarget(
            name: "async-keeper",
            dependencies: [
                .product(name: "UVKeeperAsync", package: "uvkeeper"),
                // The keeper's executable, which the build puts beside the program.
                .product(name: "uvkeeper-sidecar", package: "uvkeeper"),
            ],
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)])
    ]
)
