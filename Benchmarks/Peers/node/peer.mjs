// usage: node peer.mjs NAME COUNT [ARGUMENTS]; prints one line of JSON. Names and arguments are those of the C peer.
import { spawn } from "node:child_process";
import { discover, writeRPC } from "./manager.mjs";

const now = () => process.hrtime.bigint();
const line = "x".repeat(63) + "\n";

function fail(message) {
  console.error(`peer.mjs: ${message}`);
  process.exit(1);
}

async function writeLines(count, socketPath, inFlight, isConfirmed) {
  let toBegin = count;
  const one = async () => {
    while (toBegin-- > 0) {
      if (!(await writeRPC(socketPath, line, isConfirmed))) fail("a line was not written");
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
}

/// usage: COUNT SOCKET IN_FLIGHT
async function connect(count, [socketPath, inFlight], isConfirmed) {
  await writeLines(1000, socketPath, Number(inFlight), isConfirmed);
  const begin = now();
  await writeLines(count, socketPath, Number(inFlight), isConfirmed);
  return { total: now() - begin };
}

/// usage: COUNT DIRECTORY KEEPERS
async function discovery(count, [directory, keepers], looksForChild) {
  const begin = now();
  for (let i = 0; i < count; i++) {
    const found = discover(directory, looksForChild).length;
    if (found !== Number(keepers)) fail(`found ${found} keepers`);
  }
  return { total: now() - begin };
}

/// Makes `mebibytes` MiB resident, outside JavaScript's heap. Run under `peer nothp` for pages of 4 KiB.
function occupy(mebibytes) {
  const blocks = [];
  for (let left = mebibytes; left > 0; left -= 256) blocks.push(Buffer.alloc(Math.min(left, 256) << 20, 1));
  return blocks;
}

/// usage: COUNT MEBIBYTES
async function spawnChildren(count, [mebibytes]) {
  const memory = occupy(Number(mebibytes ?? 0));
  const warmUp = 5;
  let blocked = [];
  let begin;
  for (let i = -warmUp; i < count; i++) {
    if (i === 0) [begin, blocked] = [now(), []];
    const start = now();
    const child = spawn("/bin/true", [], { stdio: "ignore" });
    blocked.push(Number(now() - start));
    await new Promise((resolve) => child.on("exit", resolve));
  }
  const total = now() - begin;
  blocked.sort((a, b) => a - b);
  return { total, parts: { block: blocked[count >> 1] }, memory: memory.length };
}

const benchmarks = {
  connect: (count, rest) => connect(count, rest, true),
  "connect-unconfirmed": (count, rest) => connect(count, rest, false),
  discovery: (count, rest) => discovery(count, rest, false),
  "discovery-children": (count, rest) => discovery(count, rest, true),
  spawn: spawnChildren,
};

const [name, count, ...rest] = process.argv.slice(2);
if (!benchmarks[name]) fail(`usage: peer.mjs NAME COUNT [ARGUMENTS]; names: ${Object.keys(benchmarks).join(" ")}`);
const { total, parts } = await benchmarks[name](Number(count), rest);
console.log(JSON.stringify({ name, count: Number(count), ns_per_op: Number(total) / Number(count), parts }));
process.exit(0);
