// swift-tools-version: 6.2

import PackageDescription

// What a consumer writes whose server is a group of services: scripts/check-consumers builds it as it stands.
let package = Package(
    name: "keeper-server",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "uvkeeper", path: "../..", traits: ["Service"])],
    targets: [
        .executableTarget(
            name: "keeper-server",
            dependencies: [
                .product(name: "UVKeeperService", package: "uvkeeper"),
                // The keeper's executable, which the build puts beside the program.
                .product(name: "uvkeeper-sidecar", package: "uvkeeper"),
            ],
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)])
    ]
)
