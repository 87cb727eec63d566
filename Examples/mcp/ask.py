#!/usr/bin/env python3
"""usage: ask.py SOCKET JOURNAL TEXT [SECONDS]    asks the MCP server of a session: echo TEXT, after so many SECONDS
       ask.py SOCKET JOURNAL                   waits for the answer to what an earlier run has asked

SOCKET is the session's channel. The file JOURNAL is replaced before anything leaves. A run that is killed, at any time,
leaves in it all that the next one needs: the question, the lines whose arrival is not certain, and the offset in the
server's output from which on the answer is looked for. No line is sent twice, and no answer is missed; one that was
printed in the instant before the kill is printed again.

The answer is printed on standard output, news of the question on standard error.
exit status: 0 answered, 1 no answer can be had (standard error says why), 64 wrong usage"""
import json
import os
import socket
import sys


class Session:
    """One MCP session, by its channel and by the journal of what was said in it."""

    def __init__(self, path, journal):
        self.path = journal
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(path)
        self.stream = self.connection.makefile("rb")
        self.unread = b""
        hello = json.loads(self.answer("hello"))
        if hello["output"] is None:
            sys.exit("the session keeps no output: PI_KEEPER_OUTPUT_MAX_BYTES was not set")
        if os.path.exists(journal):
            with open(journal) as file:
                self.journal = json.load(file)
        else:
            self.journal = {
                "epoch": hello["epoch"], "writer": f"ask-{os.urandom(8).hex()}", "last": 0, "lines": [],
                "offset": hello["output"]["out"]["end"], "isReady": False, "question": None, "id": 0, "isOpen": False,
            }
        self.resume()

    def note(self, **changes):
        self.journal |= changes
        with open(self.path + "~", "w") as file:
            json.dump(self.journal, file)
        os.replace(self.path + "~", self.path)

    # The channel

    def send(self, text):
        try:
            self.connection.sendall(text.encode())
        except OSError:
            pass  # The keeper has said why, which is read next.

    def message(self):
        """The next header of the keeper, as its verb and the rest."""
        header = self.stream.readline().decode()
        if not header.endswith("\n"):
            sys.exit("the connection broke; run this again")
        verb, _, rest = header[:-1].partition(" ")
        if verb == "error":
            sys.exit(rest)
        if verb == "exit":
            sys.exit(f"the server has ended: {rest}")
        return verb, rest

    def answer(self, wanted):
        """The rest of the next header, which must have this verb."""
        verb, rest = self.message()
        if verb != wanted:
            sys.exit(f"{verb} came, not {wanted}")
        return rest

    def resume(self):
        """Says who writes here, sends what the keeper has not taken, and reads on from where it was left."""
        epoch, last = self.journal["epoch"], self.journal["last"]
        self.send(f'writer {self.journal["writer"]} {json.dumps({"epoch": epoch, "last": last})}\n')
        taken, acknowledged = map(int, self.answer("writer").split()[1:])
        self.acknowledged(acknowledged)
        for number, line in self.journal["lines"]:
            if number > taken:
                self.write(number, line)
        start = {"out": self.journal["offset"]}
        self.send(f'read {json.dumps({"from": start, "epoch": epoch, "follow": True})}\n')

    def write(self, number, line):
        self.send(f"write {number} {len(line.encode())}\n{line}\n")

    def receive(self):
        """Takes the next message of the keeper."""
        verb, rest = self.message()
        if verb == "out":
            self.unread += self.stream.read(int(rest.split()[1]))
        elif verb == "ack":
            self.acknowledged(int(rest))
        elif verb == "gap":
            sys.exit(f"the answer may have been in what is not kept any more: {rest}")

    def acknowledged(self, count):
        self.journal["lines"] = [line for line in self.journal["lines"] if line[0] > count]
        print(f"lines in the server's pipe: {count}", file=sys.stderr, flush=True)

    # JSON-RPC

    def say(self, message, **changes):
        line = json.dumps({"jsonrpc": "2.0", **message})
        number = self.journal["last"] + 1
        self.note(last=number, lines=self.journal["lines"] + [[number, line]], **changes)
        self.write(number, line)

    def request(self, method, parameters):
        """The answer to a request, which is said unless an earlier run has said it."""
        if not self.journal["isOpen"]:
            identifier = self.journal["id"] + 1
            self.say({"id": identifier, "method": method, "params": parameters}, id=identifier, isOpen=True)
        while True:
            line, newline, rest = self.unread.partition(b"\n")
            if not newline:
                self.receive()
                continue
            self.unread = rest
            self.journal["offset"] += len(line) + 1
            message = json.loads(line)
            if "method" not in message and message.get("id") == self.journal["id"]:
                return message


def ask(path, journal, text=None, seconds="0"):
    session = Session(path, journal)
    if text is None:
        if session.journal["question"] is None:
            sys.exit("no question is open")
    elif session.journal["question"] is not None:
        sys.exit("an earlier question is open: without a text its answer is waited for")
    else:
        session.note(question={"text": text, "seconds": float(seconds)})
    if not session.journal["isReady"]:
        client = {"name": "ask", "version": "1"}
        session.request(
            "initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})
        session.say({"method": "notifications/initialized"}, isOpen=False, isReady=True)
    answer = session.request("tools/call", {"name": "echo", "arguments": session.journal["question"]})
    if "error" not in answer:
        print(answer["result"]["content"][0]["text"], flush=True)
    session.note(question=None, isOpen=False)
    if "error" in answer:
        sys.exit(answer["error"]["message"])


if len(sys.argv) not in (3, 4, 5):
    sys.exit(print(__doc__, file=sys.stderr) or 64)
try:
    ask(*sys.argv[1:])
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error.strerror}")
