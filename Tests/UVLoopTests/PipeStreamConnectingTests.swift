import TestSupport
import Testing
import UVLoop

@Suite("A stream that connects") struct PipeStreamConnectingTests {
    @Test("fails on a later tick, once, closing, for nothing, a file and a stale socket") func fails() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                _ = try OpenFile(directory + "/f", .createNew)
                try PipeListener(bindingTo: directory + "/s", on: loop).close()
                let expected: [(String, UVError)] = [
                    ("none", .noEntry), ("f", .connectionRefused), ("s", .connectionRefused),
                ]
                for (name, error) in expected {
                    var order: [String] = []
                    var isReturned = false
                    let stream = try PipeStream(connectingTo: "\(directory)/\(name)", on: loop) { stream, failure in
                        #expect(isReturned)
                        #expect(failure == error)
                        #expect(stream.isClosing)
                        #expect(!stream.isOpen)
                        order.append("connect")
                        stream.close { order.append("close") }
                    }
                    stream.write([1]) { failure in
                        #expect(failure == error)
                        order.append("write")
                    }
                    stream.write([]) { failure in
                        #expect(failure == error)
                        order.append("empty")
                    }
                    stream.shutdown { failure in
                        #expect(failure == error)
                        order.append("shutdown")
                    }
                    isReturned = true
                    #expect(order.isEmpty)
                    try run(loop) { order.contains("close") }
                    #expect(order == ["connect", "write", "empty", "shutdown", "close"])
                }
            }
        }
    }

    @Test("refuses a path that no socket can have, before anything is open") func badPaths() throws {
        try withLoop { loop in
            let open = loop.openHandles.count
            for path in ["", "a\0b", String(repeating: "x", count: 108)] {
                #expect(throws: UVError.self) {
                    try PipeStream(connectingTo: path, on: loop) { _, _ in Issue.record("called") }
                }
            }
            #expect(loop.openHandles.count == open)
        }
    }

    @Test("reports a full backlog, and a fresh stream succeeds later") func fullBacklog() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                try listener.listen(backlog: 1) { _, result in expectNoError { try result.get().close() } }
                listener.pause()
                var results: [UVError?] = []
                for _ in 0..<6 {
                    _ = try PipeStream(connectingTo: listener.path, on: loop) { stream, error in
                        results.append(error)
                        stream.close()
                    }
                }
                try run(loop) { results.count == 6 }
                #expect(Set(results) == [nil, .wouldBlock])
                try listener.resume()
                var isConnected = false
                var attempts = 0
                func attempt() throws(UVError) {
                    attempts += 1
                    _ = try PipeStream(connectingTo: listener.path, on: loop) { stream, error in
                        stream.close()
                        if error == nil {
                            isConnected = true
                        } else {
                            expectNoError { () throws(UVError) in try attempt() }
                        }
                    }
                }
                try attempt()
                try run(loop) { isConnected }
                listener.close()
            }
        }
    }

    @Test("that is closed meanwhile is canceled once, before its close completes") func closedMeanwhile() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                try listener.listen { _, result in expectNoError { try result.get().close() } }
                var order: [String] = []
                let stream = try PipeStream(connectingTo: listener.path, on: loop) { _, error in
                    order.append("connect \(error?.name ?? "ok")")
                }
                stream.write([1]) { order.append("write \($0?.name ?? "ok")") }
                stream.shutdown { order.append("shutdown \($0?.name ?? "ok")") }
                stream.close { order.append("close") }
                #expect(order.isEmpty)
                try run(loop) { order.contains("close") }
                #expect(order == ["connect ECANCELED", "write ECANCELED", "shutdown ECANCELED", "close"])
                listener.close()
            }
        }
    }

    @Test("delivers what was written meanwhile, in order, and then the end") func writesMeanwhile() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                var got: [UInt8] = []
                try listener.listen { listener, result in
                    listener.close()
                    expectNoError { try result.get().collect { got = $0 } }
                }
                var order: [String] = []
                let stream = try PipeStream(connectingTo: listener.path, on: loop) { stream, error in
                    #expect(error == nil)
                    #expect(stream.isOpen)
                    order.append("connect")
                }
                #expect(!stream.isOpen)
                for number in 0..<10 { stream.write([UInt8(number)]) { _ in order.append("\(number)") } }
                stream.write([]) { _ in order.append("empty") }
                #expect(stream.queuedByteCount == 10)
                #expect(stream.acceptedByteCount == 0)
                stream.shutdown { error in
                    #expect(error == nil)
                    order.append("shutdown")
                    stream.close()
                }
                loop.run()
                #expect(got == Array(0..<10))
                #expect(order == ["connect"] + (0..<10).map { "\($0)" } + ["empty", "shutdown"])
            }
        }
    }
}
