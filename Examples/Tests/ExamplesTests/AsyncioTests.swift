import TestSupport
import Testing
import UVLoop

@Suite("With Python's asyncio", .enabled(if: Tool.isInstalled("python3"), "python3 is not installed"))
struct AsyncioTests {
    private static let content = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    private static let prelude = """
        import asyncio
        content = bytes((i // 7) & 255 for i in range(1000000))

        """

    @Test("tcp-echo serves many clients at once, each after its half-close") func client() throws {
        try withLoop { loop in
            let server = try RunningExample("tcp-echo", ["0"], on: loop)
            let client = try script(
                """
                async def talk(number):
                    reader, writer = await asyncio.open_connection('127.0.0.1', \(try server.port()))
                    mine = content[number * 1000:] + content[:number * 1000]
                    async def send():
                        writer.write(mine)
                        await writer.drain()
                        writer.write_eof()
                    sending = asyncio.create_task(send())
                    assert await reader.read() == mine
                    await sending
                    writer.close()
                async def main():
                    await asyncio.gather(*(talk(number) for number in range(8)))
                asyncio.run(main())
                """, on: loop)
            try client.expectSuccess()
            #expect(try server.end() == .exited(code: 0))
        }
    }

    @Test("1 MB goes both ways to an asyncio server, each way with an end of its own") func server() throws {
        try withLoop { loop in
            let server = try script(
                """
                async def main():
                    done = asyncio.Event()
                    async def serve(reader, writer):
                        writer.write(content)
                        got = await reader.read()
                        writer.write(b'right' if got == content else b'wrong')
                        writer.write_eof()
                        writer.close()
                        done.set()
                    server = await asyncio.start_server(serve, '127.0.0.1', 0)
                    print(server.sockets[0].getsockname()[1], flush=True)
                    await done.wait()
                asyncio.run(main())
                """, on: loop)
            let address = try SocketAddress.loopback(.ipv4, port: server.port())
            var got: [UInt8]?
            let client = try TCPStream(connectingTo: address, on: loop) { stream, error in
                #expect(error == nil)
                expectNoError { try stream.collect { got = $0 } }
            }
            client.write(Self.content)
            client.shutdown { #expect($0 == nil) }
            try run(loop) { got != nil }
            #expect(got == Self.content + Array("right".utf8))
            try server.expectSuccess()
        }
    }

    /// One message is under way at a time, so that none is lost for want of room.
    private static let datagrams = """
        class Protocol(asyncio.DatagramProtocol):
            def __init__(self): self.queue = asyncio.Queue()
            def datagram_received(self, data, address): self.queue.put_nowait((data, address))
            def error_received(self, error): self.queue.put_nowait((error, None))

        """

    @Test("udp-echo answers an asyncio client, short messages and long ones") func udpClient() throws {
        try withLoop { loop in
            let server = try RunningExample("udp-echo", ["0"], on: loop)
            let client = try script(
                Self.datagrams + """
                    async def main():
                        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                            Protocol, remote_addr=('127.0.0.1', \(try server.port())))
                        for count in [1, 1000, 60000]:
                            transport.sendto(content[:count])
                            data, _ = await protocol.queue.get()
                            assert data == content[:count], (count, data)
                        transport.close()
                    asyncio.run(main())
                    """, on: loop)
            try client.expectSuccess()
            #expect(try server.end() == .exited(code: 0))
        }
    }

    @Test("a UDPSocket talks with an asyncio server") func udpServer() throws {
        try withLoop { loop in
            let server = try script(
                Self.datagrams + """
                    async def main():
                        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                            Protocol, local_addr=('127.0.0.1', 0))
                        print(transport.get_extra_info('sockname')[1], flush=True)
                        while True:
                            data, address = await protocol.queue.get()
                            transport.sendto(data[::-1] + b'!', address)
                            if data == b'end': break
                        transport.close()
                    asyncio.run(main())
                    """, on: loop)
            let target = try SocketAddress.loopback(.ipv4, port: server.port())
            let socket = try UDPSocket(connectingTo: target, on: loop)
            var got: [[UInt8]] = []
            try socket.receiveStart(onMessage: { _, bytes, message in
                #expect(message.sender == target)
                got.append(bytes.withUnsafeBytes(Array.init))
            })
            for message in [[], [1, 2, 3], Array(Self.content.prefix(60_000)), Array("end".utf8)] as [[UInt8]] {
                let count = got.count
                socket.send(message) { #expect($0 == nil) }
                try run(loop) { got.count > count }
                #expect(got.last == message.reversed() + Array("!".utf8))
            }
            socket.close()
            try server.expectSuccess()
        }
    }

    private func script(_ text: String, on loop: Loop) throws -> Script {
        try Script("python3", ["-c", Self.prelude + text], on: loop)
    }
}
