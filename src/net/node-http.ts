/**
 * node:http without the wrapper that `import` makes: the wrapper reads every export at once, and one of them
 * loads an HTTP client and a WebSocket that nobody here uses (20 ms and 12 MB at start).
 */
import process from "node:process";

export const { Agent, createServer, request } = process.getBuiltinModule("node:http");
