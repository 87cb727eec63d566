import Testing
import UVLoop

@Suite("The library") struct LibUVTests {
    @Test("tells its version, at run time and at compile time") func versions() {
        #expect(LibUV.version.hasPrefix("1."))
        #expect(LibUV.headerVersion.hasPrefix("1."))
    }

    @Test("has a clock that goes on") func clock() {
        let before = SystemClock.monotonicTime
        SystemClock.sleep(until: before + .milliseconds(1))
        #expect(SystemClock.monotonicTime >= before + .milliseconds(1))
    }
}
