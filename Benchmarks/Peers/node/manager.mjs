// A port of the original manager's write and discovery, written anew from its contract.
import { existsSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import net from "node:net";
import path from "node:path";

const attemptTimeout = 350;
const retryDelays = [50, 150];
const attempts = 3;

/// Makes one attempt. `isConfirmed`: wait until the keeper has closed the connection, as UVKeeper does; otherwise until
/// our side has sent everything, as the original does.
function attempt(socketPath, line, isConfirmed) {
  return new Promise((resolve) => {
    const socket = net.createConnection(socketPath);
    let isSettled = false;
    const settle = (isWritten) => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      resolve(isWritten);
    };
    const timer = setTimeout(() => {
      socket.destroy();
      settle(false);
    }, attemptTimeout);
    socket.once("connect", () => {
      const text = line.endsWith("\n") ? line : line + "\n";
      if (isConfirmed) {
        socket.end(text, "utf8");
        socket.resume();
        socket.once("close", (hadError) => settle(!hadError));
      } else {
        socket.end(text, "utf8", () => settle(true));
      }
    });
    socket.once("error", () => settle(false));
  });
}

export async function writeRPC(socketPath, line, isConfirmed) {
  for (let number = 0; number < attempts; number++) {
    if (number > 0) await new Promise((resolve) => setTimeout(resolve, retryDelays[number - 1]));
    if (await attempt(socketPath, line, isConfirmed)) return true;
  }
  return false;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function readPID(file) {
  try {
    const pid = Number.parseInt(readFileSync(file, "utf8").trim(), 10);
    return Number.isFinite(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

function remove(file) {
  try {
    unlinkSync(file);
  } catch {
    // The file has gone already.
  }
}

/// True if the child lives, by its pid file; an absent file means alive. A zombie counts as dead, as for UVKeeper.
function isChildAlive(file) {
  const pid = readPID(file);
  if (!pid) return true;
  if (!isAlive(pid)) return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat[stat.lastIndexOf(")") + 2] !== "Z";
  } catch {
    return true;
  }
}

/// Discovers keepers. `looksForChild` adds the check that the original leaves to its caller.
export function discover(directory, looksForChild) {
  if (!existsSync(directory)) return [];
  const found = [];
  for (const name of readdirSync(directory)) {
    const match = name.match(/^(.+)\.rpc\.sock\.pid$/);
    if (!match) continue;
    const pidFile = path.join(directory, name);
    const socketPath = path.join(directory, `${match[1]}.rpc.sock`);
    const pid = readPID(pidFile);
    if (!pid || !isAlive(pid)) {
      remove(pidFile);
      remove(socketPath);
      continue;
    }
    if (looksForChild && !isChildAlive(`${socketPath}.pi-pid`)) continue;
    found.push({ sessionId: match[1], keeperPid: pid, sockPath: socketPath });
  }
  return found;
}
