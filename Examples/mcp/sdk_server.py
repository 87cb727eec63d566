#!/usr/bin/env python3
"""usage: sdk_server.py

The same server as server.py, made with the MCP SDK for Python (PyPI: mcp)."""
import asyncio
import sys

try:
    from mcp.server.mcpserver import MCPServer
except ImportError:  # Before version 2.
    from mcp.server.fastmcp import FastMCP as MCPServer

if len(sys.argv) > 1:
    sys.exit(print(__doc__, file=sys.stderr) or 64)
server = MCPServer("echo")


@server.tool()
async def echo(text: str, seconds: float = 0) -> str:
    """Answers with the text, after so many seconds."""
    await asyncio.sleep(seconds)
    return text


server.run()
