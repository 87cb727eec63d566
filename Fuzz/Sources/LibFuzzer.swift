/// What libFuzzer calls, whose `main` runs.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    Target.chosen.run(UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}
