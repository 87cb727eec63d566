// A Node server in the shape of the original's, with the sidecar swapped for ours. Written for the test NodeServerTests.
//
// usage: node server.mjs SIDECAR_DIR WHAT
//   fail N      starts N keepers of a missing binary; prints how many of the failures it has noticed
//   start ID    starts a keeper for `cat >>out`, writes two lines, prints its pid, and stays until it is killed
//   go-on ID    finds the keeper of a former server, writes a third line, ends it by its process group, waits until it is gone
//
// HOME is the base directory. Exits with 1 if something is not as the original's server needs it.
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

const [bin, what, argument] = process.argv.slice(2);
const sessions = path.join(process.env.HOME, ".pi/dashboard/sessions");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const socketOf = (id) => path.join(sessions, `${id}.rpc.sock`);

/** What the original's server calls to start a keeper: `<nodeBinary> <keeperPath> <id>`, detached. */
function startKeeper(id, command) {
    const [nodeBinary, keeperPath] = ["/usr/bin/env", "uvkeeper-sidecar"];
    const keeper = spawn(nodeBinary, [keeperPath, id], {
        cwd: process.env.HOME,
        detached: true,
        stdio: "ignore",
        windowsHide: true,
        env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, PI_KEEPER_PI_CMD: JSON.stringify(command), PI_KEEPER_PI_ARGS: "[]" },
    });
    keeper.unref();
    return keeper;
}

/** 5 ms for an error of the spawn itself, and only then a look at the exit, for the 300 ms of the crash window. */
async function survives(keeper) {
    await sleep(5);
    keeper.watchedSince = performance.now();
    const code = await Promise.race([
        new Promise((resolve) => keeper.once("exit", resolve)),
        sleep(300).then(() => undefined),
    ]);
    return code === undefined;
}

/** One line on a connection of its own: three attempts of 350 ms. */
async function writeLine(id, line) {
    for (const pause of [0, 50, 150]) {
        await sleep(pause);
        const isWritten = await new Promise((resolve) => {
            const socket = net.connect(socketOf(id));
            const timer = setTimeout(() => { socket.destroy(); resolve(false); }, 350);
            const end = (result) => { clearTimeout(timer); resolve(result); };
            socket.once("error", () => end(false));
            socket.once("connect", () => socket.end(line + "\n", () => end(true)));
        });
        if (isWritten) return true;
    }
    return false;
}

const pidOf = (id) => Number.parseInt(fs.readFileSync(socketOf(id) + ".pid", "utf8").trim(), 10);
const isAlive = (pid) => { try { process.kill(pid, 0); return true; } catch { return false; } };

if (what === "fail") {
    let noticed = 0;
    for (let i = 0; i < Number(argument); i++) {
        for (;;) {
            const keeper = startKeeper(`f${i}`, ["/does/not/exist"]);
            const ended = new Promise((resolve) => keeper.once("exit", () => resolve(performance.now())));
            if (!(await survives(keeper))) { noticed++; break; }
            // Missed if it ended before the server watched; after the window, the machine was slow: once more.
            keeper.ref();
            if ((await ended) < keeper.watchedSince) break;
        }
    }
    console.log(noticed);
} else if (what === "start") {
    const keeper = startKeeper(argument, ["/bin/sh", "-c", "exec cat >>$HOME/out"]);
    if (!(await survives(keeper))) process.exit(1);
    // On a slow machine the 300 ms may pass before there is a socket.
    while (!fs.existsSync(socketOf(argument))) {
        if (keeper.exitCode !== null) process.exit(1);
        await sleep(5);
    }
    for (const line of ["one", "two"]) if (!(await writeLine(argument, line))) process.exit(1);
    console.log(pidOf(argument));
    setInterval(() => {}, 1000);
} else if (what === "go-on") {
    const found = fs.readdirSync(sessions).filter((name) => name.endsWith(".rpc.sock.pid"));
    if (found.length !== 1 || !isAlive(pidOf(argument))) process.exit(1);
    if (!isAlive(Number.parseInt(fs.readFileSync(socketOf(argument) + ".pi-pid", "utf8"), 10))) process.exit(1);
    if (!(await writeLine(argument, "three"))) process.exit(1);
    // The signal ends the child too, with what it has not read yet.
    const out = path.join(process.env.HOME, "out");
    while (!fs.readFileSync(out, "utf8").endsWith("three\n")) await sleep(5);
    const pid = pidOf(argument);
    process.kill(-pid, "SIGTERM");
    while (isAlive(pid)) await sleep(5);
    console.log(fs.readdirSync(sessions).filter((name) => !/\.(log|session\.json)$/.test(name)).length);
} else {
    process.exit(64);
}
