#!/usr/bin/env python3
"""usage: server.py

A small MCP server on standard input and output, of Python's standard library alone: JSON-RPC 2.0, one message per line. Its
one tool, echo, answers with its argument "text", after "seconds" if that is given; meanwhile it serves other requests."""
import json
import sys
import threading

TOOL = {
    "name": "echo",
    "description": "Answers with the text, after so many seconds.",
    "inputSchema": {
        "type": "object",
        "properties": {"text": {"type": "string"}, "seconds": {"type": "number"}},
        "required": ["text"],
    },
}
lock = threading.Lock()


def send(message):
    with lock:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def answer(request, result):
    send({"id": request["id"], "result": result})


def fail(request, code, text):
    send({"id": request.get("id"), "error": {"code": code, "message": text}})


def call(request):
    parameters = request.get("params", {})
    if parameters.get("name") != "echo":
        return fail(request, -32602, f"there is no tool {parameters.get('name')}")
    arguments = parameters.get("arguments", {})
    result = {"content": [{"type": "text", "text": arguments.get("text", "")}], "isError": False}
    threading.Timer(arguments.get("seconds", 0), answer, (request, result)).start()


def serve(request):
    match request.get("method"):
        case "initialize":
            answer(request, {
                "protocolVersion": request.get("params", {}).get("protocolVersion", "2025-06-18"),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "echo", "version": "1"},
            })
        case "ping": answer(request, {})
        case "tools/list": answer(request, {"tools": [TOOL]})
        case "tools/call": call(request)
        case method if "id" in request: fail(request, -32601, f"there is no method {method}")


if len(sys.argv) > 1:
    sys.exit(print(__doc__, file=sys.stderr) or 64)
for line in sys.stdin:
    try:
        serve(json.loads(line))
    except ValueError:
        fail({}, -32700, "this is no JSON")
