import Libc
import TestSupport
import Testing
import UVLoop

@Suite("An owned descriptor") struct OwnedDescriptorTests {
    @Test("is open until its owner closes it") func closes() throws {
        // The other end shows the close: another thread may get the number a moment later.
        let (one, other) = socketPair()
        let owned = OwnedDescriptor(one)
        #expect(owned.number == one)
        #expect(Descriptors.hangUp(of: other) == .nothing)
        owned.close()
        #expect(Descriptors.hangUp(of: other) == .everything)
        OwnedDescriptor(other).close()
    }

    @Test("stays open when it is given away") func release() throws {
        let (one, other) = socketPair()
        let number = OwnedDescriptor(one).release()
        #expect(number == one)
        #expect(Descriptors.hangUp(of: other) == .nothing)
        for number in [one, other] { OwnedDescriptor(number).close() }
    }

    @Test("is closed when nobody takes it over after all") func handOver() throws {
        let (one, other) = socketPair()
        #expect(OwnedDescriptor(one).handOver { $0 } == one)
        #expect(Descriptors.hangUp(of: other) == .nothing)
        #expect(throws: UVError.invalidArgument) {
            try OwnedDescriptor(one).handOver { _ throws(UVError) in throw .invalidArgument }
        }
        #expect(Descriptors.hangUp(of: other) == .everything)
        OwnedDescriptor(other).close()
    }

    @Test("is a copy of its own when it is a duplicate") func duplicate() throws {
        let (one, other) = socketPair()
        let copy = try Descriptors.duplicate(one)
        #expect(copy.number != one)
        OwnedDescriptor(one).close()
        #expect(Descriptors.hangUp(of: other) == .nothing)
        copy.close()
        #expect(Descriptors.hangUp(of: other) == .everything)
        OwnedDescriptor(other).close()
    }
}
