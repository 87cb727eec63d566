// usage: node servers.mjs KIND; the servers of the C peer, c/servers.c: the first line of output is the port, on
// 127.0.0.1, and the end of standard input ends the server.
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

const chunk = Buffer.alloc(65536, "x");

const clients = {
  // Echo: a client that does not read is not read either.
  "tcp-echo": (client) => {
    client.on("data", (bytes) => {
      if (!client.write(bytes)) client.pause();
    });
    client.on("drain", () => client.resume());
  },
  "tcp-sink": (client) => client.resume(),
  // Source: sends 64 KiB for each byte of the client.
  "tcp-source": (client) => {
    let left = 0;
    const pump = () => {
      while (left > 0) {
        left -= 1;
        if (!client.write(chunk)) return;
      }
    };
    client.on("data", (bytes) => {
      left += bytes.length;
      if (!client.writableNeedDrain) pump();
    });
    client.on("drain", pump);
  },
};

function announce(server) {
  console.log(server.address().port);
}

const [kind] = process.argv.slice(2);
if (kind === "udp-echo") {
  const socket = createSocket("udp4");
  socket.on("message", (bytes, sender) => socket.send(bytes, sender.port, sender.address));
  socket.bind(0, "127.0.0.1", () => announce(socket));
} else if (clients[kind]) {
  const server = createServer({ noDelay: true }, clients[kind]);
  server.listen({ host: "127.0.0.1", port: 0, backlog: 511 }, () => announce(server));
} else {
  console.error(`servers.mjs: no such server: ${kind}`);
  process.exit(1);
}
process.stdin.on("end", () => process.exit(0)).resume();
