#!/usr/bin/env python3
"""usage: channel.py write SOCKET NAME LINES    sends each line of the file LINES once, as writer NAME
       channel.py read SOCKET FILE           appends the session's output to FILE, until the session ends
SOCKET is a session's channel. Either may be killed at any time and run again: it goes on where it stopped. LINES may
have grown by then; line n has the number n. LINES.sent and FILE.at are the journals. Gaps in the output, and how the
session ended, are printed. exit status: 0 done, 1 refused or the connection broke, 64 wrong usage"""
import contextlib, json, os, socket, sys
told = contextlib.suppress(OSError)  # A send fails at the end of a session, which is told in what is read next.
def save(path, value):
    with open(path + "~", "w") as file: json.dump(value, file)
    os.replace(path + "~", path)
def load(path, default): return json.load(open(path)) if os.path.exists(path) else default
def connect(path):
    (connection := socket.socket(socket.AF_UNIX)).connect(path)
    stream = messages(connection.makefile("rb"))
    return connection, stream, json.loads(answer(stream, "hello"))["epoch"]
def answer(stream, wanted):
    verb, rest, _ = next(stream)
    if verb != wanted: sys.exit(f"the session ended: {rest}" if verb == "exit" else f"{verb} came, not {wanted}")
    return rest
def messages(stream):
    while (header := stream.readline().decode()).endswith("\n"):
        verb, _, rest = header[:-1].partition(" ")
        if verb == "error": sys.exit(rest)
        yield verb, rest, stream.read(int(rest.split()[1])) if verb == "out" else b""
    sys.exit("the connection broke")
def write(path, name, file):
    connection, stream, epoch = connect(path)
    sent = load(file + ".sent", {"epoch": epoch, "last": 0})
    with told: connection.sendall(f"writer {name} {json.dumps(sent)}\n".encode())
    last, acknowledged = map(int, answer(stream, "writer").split()[1:])
    lines = [line for line in open(file, "rb") if line.endswith(b"\n")]
    # Before the numbers are given out: what the keeper has above the journal's would be somebody else's.
    save(file + ".sent", {"epoch": sent["epoch"], "last": max(sent["last"], len(lines))})
    with told:
        for number, line in enumerate(lines[last:], last + 1):
            connection.sendall(b"write %d %d\n%s" % (number, len(line), line))
    while acknowledged < len(lines):
        verb, rest, _ = next(stream)
        if verb == "ack": acknowledged = int(rest)
        if verb == "exit": sys.exit(f"the session ended after line {acknowledged}: {rest}")
    print(f"{len(lines)} lines are in the child's pipe, {max(0, len(lines) - last)} of them sent now")
def read(path, name):
    connection, stream, epoch = connect(path)
    with open(name, "ab") as file:
        at = load(name + ".at", {"epoch": epoch, "size": file.tell(), "offset": 0})
        save(name + ".at", at)  # From here on the size of FILE tells the offset.
        start = {"out": at["offset"] + file.tell() - at["size"]}
        request = f'read {json.dumps({"from": start, "epoch": at["epoch"], "follow": True})}\n'.encode()
        with told: connection.sendall(request)
        answer(stream, "reading")
        for verb, rest, data in stream:
            file.write(data), file.flush()
            if verb == "gap": save(name + ".at", at | {"size": file.tell(), "offset": int(rest.split()[2])})
            if verb in ("gap", "exit"): print(verb, rest, flush=True)
            if verb == "exit": return
run = {("write", 3): write, ("read", 2): read}.get(("".join(sys.argv[1:2]), len(sys.argv) - 2))
if not run: sys.exit(print(__doc__, file=sys.stderr) or 64)
try: run(*sys.argv[2:])
except OSError as error: sys.exit(f"{sys.argv[2]}: {error.strerror}")
