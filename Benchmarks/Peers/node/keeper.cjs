// A port of the original keeper, written anew from its contract: `node keeper.cjs SESSION`, everything else by environment.
// Lines of each client are cut at newlines and written to the child's stdin one by one.
"use strict";
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");

const session = process.argv[2];
const directory = path.join(process.env.PI_DASHBOARD_HOME || os.homedir(), ".pi", "dashboard", "sessions");
const socketPath = path.join(directory, `${session}.rpc.sock`);
const pidPath = `${socketPath}.pid`;
const childPIDPath = `${socketPath}.pi-pid`;
fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
const logFile = fs.openSync(path.join(directory, `keeper-${session}.log`), "a", 0o600);
const log = (text) => fs.writeSync(logFile, `[${new Date().toISOString()}] ${text}\n`);

const strings = (name, otherwise) => (process.env[name] ? JSON.parse(process.env[name]) : otherwise);
const command = strings("PI_KEEPER_PI_CMD", ["pi"]);
const childArguments = strings("PI_KEEPER_PI_ARGS", ["--mode", "rpc"]);
const environment = { ...process.env, PI_DASHBOARD_SPAWNED: "1" };
for (const name of Object.keys(environment)) if (name.startsWith("PI_KEEPER_")) delete environment[name];

log("keeper starting");
let child = null;
let isEnding = false;

function end(status) {
  if (isEnding) return;
  isEnding = true;
  log("shutdown");
  if (child && child.exitCode === null) child.kill("SIGKILL");
  for (const file of [socketPath, pidPath, childPIDPath]) fs.rmSync(file, { force: true });
  process.exit(status);
}

const server = net.createServer({ allowHalfOpen: false }, (client) => {
  let pending = "";
  const forward = (line) => {
    if (child && child.stdin.writable) child.stdin.write(line);
    else log("drop line");
  };
  client.setEncoding("utf8");
  client.on("data", (text) => {
    pending += text;
    for (let newline; (newline = pending.indexOf("\n")) >= 0; ) {
      forward(pending.slice(0, newline + 1));
      pending = pending.slice(newline + 1);
    }
  });
  client.on("end", () => {
    if (pending) forward(pending + "\n");
    pending = "";
  });
  client.on("error", () => {});
});

fs.rmSync(socketPath, { force: true });
server.listen(socketPath, () => {
  fs.chmodSync(socketPath, 0o600);
  log("socket bound");
  fs.writeFileSync(pidPath, String(process.pid), { mode: 0o600 });
  const all = [...command.slice(1), ...childArguments];
  log(`spawning pi ${command[0]} ${all.join(" ")}`);
  child = spawn(command[0], all, { stdio: ["pipe", "ignore", "ignore"], env: environment });
  child.stdin.on("error", () => {});
  child.on("error", () => end(1));
  child.on("exit", (code, signal) => {
    log(`pi exited code=${code} signal=${signal}`);
    end(0);
  });
  if (child.pid) fs.writeFileSync(childPIDPath, String(child.pid), { mode: 0o600 });
  log(`keeper ready: ${session}`);
});
server.on("error", () => end(2));
setInterval(() => fs.fstatSync(logFile), 5000).unref(); // the check of the log's size
process.on("SIGTERM", () => end(0));
process.on("SIGINT", () => end(0));
