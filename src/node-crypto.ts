/**
 * node:crypto without the wrapper that `import` makes: the wrapper reads every export at once, and one of them
 * sets up WebCrypto, which nobody here uses (2 ms at start; see net/node-http.ts). For what most starts load.
 */
import process from "node:process";

export const { createHash, hash, randomBytes, randomUUID } =
  process.getBuiltinModule("node:crypto");
