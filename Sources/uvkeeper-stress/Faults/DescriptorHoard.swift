import UVKeeper

/// Every descriptor this process may still open, taken at once.
final class DescriptorHoard {
    private var files: [OpenFile] = []

    init() {
        while let file = try? OpenFile("/proc/self/stat", .readOnly) { files.append(file) }
    }

    var count: Int { files.count }

    func release() {
        for file in files { file.close() }
        files = []
    }
}
