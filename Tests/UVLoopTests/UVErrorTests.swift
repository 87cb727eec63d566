import Testing
import UVLoop

@Suite("An error") struct UVErrorTests {
    @Test("has libuv's name and sentence") func description() {
        #expect(UVError.noEntry.name == "ENOENT")
        #expect("\(UVError.noEntry)" == "ENOENT: no such file or directory")
        #expect(UVError.noEntry.rawValue == -2)
        #expect(UVError.canceled.name == "ECANCELED")
    }

    @Test("of an unknown number says so") func unknown() {
        #expect(UVError(rawValue: -9999).name.contains("9999"))
        #expect("\(UVError(rawValue: -9999))".contains("9999"))
    }

    @Test("differs from every other") func distinct() {
        let all: [UVError] = [
            .accessDenied, .addressInUse, .addressFamilyNotSupported, .noDevice, .networkUnreachable, .hostUnreachable,
            .unknownName,
            .noAddress, .noAddressOfFamily, .lookupTemporarilyFailed, .lookupFailed, .wouldBlock, .badDescriptor, .busy,
            .canceled, .noChild, .connectionRefused,
            .connectionReset, .exists, .invalidArgument, .isDirectory, .symbolicLink, .tooManyOpenFiles, .nameTooLong,
            .tooManyOpenFilesInSystem, .noBuffers, .noEntry, .outOfMemory, .noSpace, .notConnected, .notDirectory,
            .notEmpty, .notSocket, .notSupported, .notImplemented, .notPermitted, .brokenPipe, .readOnly, .noProcess,
            .timedOut, .argumentsTooLong,
        ]
        #expect(Set(all).count == all.count)
        #expect(all.allSatisfy { $0.rawValue < 0 })
    }
}
