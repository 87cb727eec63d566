import Testing

@testable import UVLoop

@Suite("Milliseconds of a duration") struct MillisecondsTests {
    @Test(
        "are rounded up, and bounded",
        arguments: [
            (.zero, 0), (.nanoseconds(1), 1), (.milliseconds(1), 1), (.microseconds(1001), 2), (.seconds(2), 2000),
            (.seconds(-1), 0), (.nanoseconds(-1), 0), (.seconds(Int64.max), 1 << 62), (.seconds(Int64.min), 0),
            (.milliseconds(999) + .nanoseconds(999_999), 1000),
        ] as [(Duration, UInt64)]) func milliseconds(duration: Duration, milliseconds: UInt64)
    {
        #expect(duration.milliseconds == milliseconds)
    }
}
