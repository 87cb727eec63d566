"""usage: python servers.py KIND; the servers of the C peer, c/servers.c, on uvloop: the first line of output is the port,
on 127.0.0.1, and the end of standard input ends the server."""

import asyncio
import os
import sys

import uvloop

CHUNK = bytes(b"x" * 65536)


class Client(asyncio.Protocol):
    def connection_made(self, transport):
        # uvloop sets no-delay itself.
        self.transport = transport


class Echo(Client):
    """Sends back what a client sends; a client that does not read is not read either."""

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Sink(Client):
    def data_received(self, data):
        pass


class Source(Client):
    """Sends 64 KiB for each byte that a client sends."""

    left = 0
    is_paused = False

    def data_received(self, data):
        self.left += len(data)
        self.pump()

    def pump(self):
        while self.left > 0 and not self.is_paused:
            self.left -= 1
            self.transport.write(CHUNK)

    def pause_writing(self):
        self.is_paused = True

    def resume_writing(self):
        self.is_paused = False
        self.pump()


class DatagramEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, sender):
        self.transport.sendto(data, sender)


class Input(asyncio.Protocol):
    def connection_lost(self, _):
        os._exit(0)


async def serve(kind):
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(Input, sys.stdin)
    if kind == "udp-echo":
        transport, _ = await loop.create_datagram_endpoint(DatagramEcho, local_addr=("127.0.0.1", 0))
        address = transport.get_extra_info("sockname")
    else:
        protocol = {"tcp-echo": Echo, "tcp-sink": Sink, "tcp-source": Source}[kind]
        server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=511)
        address = server.sockets[0].getsockname()
    print(address[1], flush=True)
    await loop.create_future()


uvloop.run(serve(sys.argv[1]))
