/** Clients of node-redis and ioredis against a real Redis. Needs Debian's `redis-server`. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Cluster, Redis } from "ioredis";
import { createClient, createClientPool } from "redis";
import { instrumentCache } from "../../src/instrument/cache/instrument-cache.ts";
import { setRuntime } from "../../src/instrument/runtime.ts";
import { cacheFigures } from "../support/cache-figures.ts";
import { FakePerformance } from "../support/fake-performance.ts";
import { freePort } from "../support/free-port.ts";
import { Bench } from "../support/instrument-points.ts";
import { isRedisMissing, RedisServer } from "../support/redis-server.ts";

const isMissing = isRedisMissing("test/foreign/instrument-redis.test.ts");
const describeWithRedis = isMissing ? describe.skip : describe;

const servers: RedisServer[] = [];
let port = 0;
let bench: Bench;
const time = new FakePerformance();
const closing: (() => unknown)[] = [];

async function startRedis(...options: string[]): Promise<number> {
  const server = await RedisServer.start(...options);
  servers.push(server);
  return server.port;
}

beforeAll(async () => {
  if (!isMissing) port = await startRedis();
});
afterAll(async () => {
  for (const server of servers) await server.stop();
});

beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(async () => {
  setRuntime(undefined);
  time.restore();
  for (const close of closing.splice(0)) await close();
});

const figures = (name: string) => cacheFigures(bench)[name]!;
const prefixOf = () => `${expect.getState().currentTestName}:`;

interface Breakable {
  readonly port: number;
  /** Holds replies back; resolves when the next request has been passed on. */
  readonly holdReplies: () => Promise<void>;
  readonly breakAll: () => void;
}

/** Passes bytes on to Redis until it is told to break the connections. */
async function breakablePort(): Promise<Breakable> {
  const sockets = new Set<Socket>();
  let isHolding = false;
  let onRequest = () => {};
  const proxy = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes) => {
      upstream.write(bytes);
      onRequest();
    });
    upstream.on("data", (bytes) => {
      if (!isHolding) client.write(bytes);
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const breakAll = () => {
    isHolding = false;
    for (const socket of sockets) socket.destroy();
  };
  closing.push(async () => {
    breakAll();
    await new Promise((resolve) => proxy.close(resolve));
  });
  return {
    port: (proxy.address() as { port: number }).port,
    holdReplies: () => {
      isHolding = true;
      return new Promise((resolve) => {
        onRequest = resolve;
      });
    },
    breakAll,
  };
}

describeWithRedis("node-redis", () => {
  const clientOf = async (options: Parameters<typeof createClient>[0] = {}) => {
    const client = createClient({ socket: { port, host: "127.0.0.1" }, ...options } as never);
    client.on("error", () => {});
    closing.push(() => client.isOpen && client.destroy());
    await client.connect();
    return client;
  };
  const cacheOf = async (options?: Parameters<typeof createClient>[0]) => {
    const client = await clientOf(options);
    expect(instrumentCache(client, { name: "node-redis", limitBytes: 1e6 })).toBe(client);
    return client;
  };

  test("hits and misses for each key", async () => {
    const cache = await cacheOf();
    const key = prefixOf();
    time.install();
    expect(await cache.get(`${key}a`)).toBeNull();
    time.nowMs += 50;
    expect(await cache.set(`${key}a`, "1")).toBe("OK");
    expect(await cache.get(`${key}a`)).toBe("1");
    expect(await cache.GET(`${key}a`)).toBe("1");
    await cache.setEx(`${key}b`, 60, "2");
    expect(await cache.mGet([`${key}a`, `${key}b`, `${key}c`])).toEqual(["1", "2", null]);
    expect(await cache.getEx(`${key}b`, { type: "EX", value: 10 })).toBe("2");
    await cache.hSet(`${key}h`, { x: "1", y: "2" });
    expect(await cache.hGet(`${key}h`, "x")).toBe("1");
    expect(await cache.hGet(`${key}h`, "z")).toBeNull();
    expect(await cache.hmGet(`${key}h`, ["y", "z"])).toEqual(["2", null]);
    expect({ ...(await cache.hGetAll(`${key}h`)) }).toEqual({ x: "1", y: "2" });
    expect({ ...(await cache.hGetAll(`${key}none`)) }).toEqual({});
    expect(await cache.getDel(`${key}b`)).toBe("2");
    expect(await cache.del([`${key}a`, `${key}b`, `${key}h`])).toBe(2);
    expect(await cache.exists(`${key}a`)).toBe(0);
    expect(figures("node-redis")).toEqual({
      requests: { hit: 9, miss: 5 },
      evictions: { explicit: 3 },
      // One operation a command; a list of keys is a hit if each is one.
      timed: { hit: 6, miss: 5 },
      usage: undefined,
      limit: 1e6,
      entries: undefined,
      savedSeconds: expect.closeTo(9 * 0.05, 9),
    });
  });

  test("transactions and pipelines", async () => {
    const cache = await cacheOf();
    const key = prefixOf();
    const replies = await cache
      .multi()
      .get(`${key}a`)
      .set(`${key}a`, "1")
      .get(`${key}a`)
      .mGet([`${key}a`, `${key}b`])
      .exec();
    expect(replies).toEqual([null, "OK", "1", ["1", null]]);
    expect(await cache.multi().get(`${key}a`).del(`${key}a`).execAsPipeline()).toEqual(["1", 1]);
    // One command in it fails: it is neither, the others count.
    await cache.hSet(`${key}h`, "f", "v");
    const failing = cache.multi().get(`${key}h`).get(`${key}a`).exec();
    await expect(failing).rejects.toThrow("commands failed");
    expect(figures("node-redis")).toMatchObject({
      requests: { hit: 3, miss: 3 },
      evictions: { explicit: 1 },
    });
  });

  test("views of the client, raw commands, buffers and the prefix of keys", async () => {
    const cache = await cacheOf({ keyPrefix: prefixOf() });
    await cache.set("a", "1");
    const buffers = cache.withTypeMapping({ 36: Buffer });
    expect(await buffers.get("a")).toEqual(Buffer.from("1"));
    expect(await cache.sendCommand(["get", `${prefixOf()}a`])).toBe("1");
    expect(await cache.sendCommand(["PING"])).toBe("PONG");
    expect(await cache.get(Buffer.from("none"))).toBeNull();
    instrumentCache(buffers, { name: "node-redis" });
    await buffers.get("a");
    expect(figures("node-redis").requests).toEqual({ hit: 3, miss: 1 });
    expect(bench.said).toEqual([]);
  });

  test("replies that the client has itself are hits", async () => {
    const cache = await cacheOf({ RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0 } } as never);
    const key = `${prefixOf()}a`;
    await cache.set(key, "1");
    const before = await cache.info("commandstats");
    for (let i = 0; i < 5; i++) expect(await cache.get(key)).toBe("1");
    const callsOf = (info: string) => Number(/cmdstat_get:calls=(\d+)/u.exec(info)?.[1] ?? 0);
    expect(callsOf(await cache.info("commandstats")) - callsOf(before)).toBe(1);
    expect(figures("node-redis")).toMatchObject({ requests: { hit: 5, miss: 0 } });
  });

  test("an error is neither; it arrives as it would", async () => {
    const cache = await cacheOf();
    const key = prefixOf();
    await cache.hSet(key, "f", "v");
    await expect(cache.get(key)).rejects.toThrow("WRONGTYPE");
    await expect(cache.sendCommand(["GET", key])).rejects.toThrow("WRONGTYPE");
    await expect(cache.get(Symbol("s") as never)).rejects.toThrow(TypeError);
    expect(figures("node-redis")).toMatchObject({ requests: { hit: 0, miss: 0 }, timed: {} });
  });

  test("a connection that breaks in the middle of a command", async () => {
    const { port: breakable, breakAll, holdReplies } = await breakablePort();
    const cache = await cacheOf({
      socket: { port: breakable, host: "127.0.0.1", reconnectStrategy: false },
    } as never);
    await cache.get("none");
    const requested = holdReplies();
    const pending = Promise.allSettled([cache.get("a"), cache.multi().get("a").exec()]);
    await requested;
    breakAll();
    expect((await pending).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await expect(cache.get("a")).rejects.toThrow("The client is closed");
    expect(figures("node-redis")).toMatchObject({
      requests: { hit: 0, miss: 1 },
      timed: { miss: 1 },
    });
  });

  test("a pool", async () => {
    const pool = createClientPool(
      { socket: { port, host: "127.0.0.1" } },
      { minimum: 1, maximum: 3 },
    );
    pool.on("error", () => {});
    closing.push(() => pool.close());
    await pool.connect();
    expect(instrumentCache(pool, { name: "pool" })).toBe(pool);
    const key = prefixOf();
    expect(await pool.get(`${key}a`)).toBeNull();
    await pool.set(`${key}a`, "1");
    const all = await Promise.all(Array.from({ length: 10 }, () => pool.get(`${key}a`)));
    expect(all).toEqual(Array.from({ length: 10 }, () => "1"));
    expect(await pool.execute((client) => client.get(`${key}a`))).toBe("1");
    expect(await pool.multi().get(`${key}a`).get(`${key}b`).exec()).toEqual(["1", null]);
    expect(figures("pool").requests).toEqual({ hit: 12, miss: 2 });
  });

  test("what is no client says so", () => {
    const other = { sendCommand() {}, mGet() {}, multi() {}, get() {}, set() {} };
    instrumentCache(other, { name: "old" });
    expect(bench.said[0]?.message).toBe(
      'cannot instrument the cache "old": of node-redis, clients and pools are measured, since version 5',
    );
  });
});

describeWithRedis("ioredis", () => {
  const clientOf = (options: object = {}) => {
    const client = new Redis({ port, host: "127.0.0.1", ...options });
    client.on("error", () => {});
    closing.push(() => {
      // After its end it would begin a timer for that.
      if (client.status !== "end") client.disconnect();
    });
    return client;
  };
  const cacheOf = (options?: object) => {
    const client = clientOf(options);
    expect(instrumentCache(client, { name: "ioredis" })).toBe(client);
    return client;
  };

  test("hits and misses for each key", async () => {
    const cache = cacheOf();
    const key = prefixOf();
    time.install();
    expect(await cache.get(`${key}a`)).toBeNull();
    time.nowMs += 50;
    expect(await cache.set(`${key}a`, "1")).toBe("OK");
    expect(await cache.get(`${key}a`)).toBe("1");
    expect(await cache.getBuffer(`${key}a`)).toEqual(Buffer.from("1"));
    await cache.setex(`${key}b`, 60, "2");
    expect(await cache.mget([`${key}a`, `${key}b`, `${key}c`])).toEqual(["1", "2", null]);
    expect(await cache.getex(`${key}b`, "EX", 10)).toBe("2");
    await cache.hset(`${key}h`, { x: "1", y: "2" });
    expect(await cache.hget(`${key}h`, "x")).toBe("1");
    expect(await cache.hget(`${key}h`, "z")).toBeNull();
    expect(await cache.hmget(`${key}h`, "y", "z")).toEqual(["2", null]);
    expect(await cache.hgetall(`${key}h`)).toEqual({ x: "1", y: "2" });
    expect(await cache.hgetall(`${key}none`)).toEqual({});
    expect(await cache.getdel(`${key}b`)).toBe("2");
    expect(await cache.del(`${key}a`, `${key}b`, `${key}h`)).toBe(2);
    expect(await cache.call("GET", `${key}a`)).toBeNull();
    expect(figures("ioredis")).toEqual({
      requests: { hit: 9, miss: 6 },
      evictions: { explicit: 3 },
      timed: { hit: 6, miss: 6 },
      usage: undefined,
      limit: undefined,
      entries: undefined,
      savedSeconds: expect.closeTo(9 * 0.05, 9),
    });
  });

  test("callbacks, pipelines and commands that are pipelined by themselves", async () => {
    const cache = cacheOf({ enableAutoPipelining: true, keyPrefix: prefixOf() });
    const replied = await new Promise((resolve, reject) => {
      void cache.get("a", (error, reply) =>
        error === null || error === undefined ? resolve(reply) : reject(error),
      );
    });
    expect(replied).toBeNull();
    expect(await cache.pipeline().set("a", "1").get("a").mget("a", "b").del("a").exec()).toEqual([
      [null, "OK"],
      [null, "1"],
      [null, ["1", null]],
      [null, 1],
    ]);
    expect(await Promise.all(["a", "b", "c"].map((key) => cache.get(key)))).toEqual([
      null,
      null,
      null,
    ]);
    expect(figures("ioredis")).toMatchObject({
      requests: { hit: 2, miss: 5 },
      evictions: { explicit: 1 },
    });
  });

  test("transactions: what was queued counts when it is executed", async () => {
    const cache = cacheOf();
    const key = prefixOf();
    expect(await cache.multi().get(key).set(key, "1").get(key).exec()).toEqual([
      [null, null],
      [null, "OK"],
      [null, "1"],
    ]);
    await cache.multi({ pipeline: false });
    expect(await cache.get(key)).toBe("QUEUED");
    expect(await cache.del(key)).toBe("QUEUED");
    expect(figures("ioredis").requests).toEqual({ hit: 1, miss: 1 });
    expect(await cache.exec()).toEqual([
      [null, "1"],
      [null, 1],
    ]);
    await cache.multi({ pipeline: false });
    await cache.get(key);
    await cache.discard();
    expect(await cache.get(key)).toBeNull();
    expect(figures("ioredis")).toMatchObject({
      requests: { hit: 2, miss: 2 },
      evictions: { explicit: 1 },
    });
  });

  test("an error in a transaction, and one that is not executed", async () => {
    const cache = cacheOf();
    const key = prefixOf();
    await cache.hset(`${key}h`, "f", "v");
    const [failed, fine] = (await cache.multi().get(`${key}h`).get(`${key}a`).exec())!;
    expect([failed![0]?.message, fine]).toEqual([
      "WRONGTYPE Operation against a key holding the wrong kind of value",
      [null, null],
    ]);
    await cache.watch(key);
    const other = clientOf();
    await other.set(key, "changed");
    expect(await cache.multi().get(key).exec()).toBeNull();
    await expect(cache.get(`${key}h`)).rejects.toThrow("WRONGTYPE");
    expect(figures("ioredis")).toMatchObject({ requests: { hit: 0, miss: 1 }, timed: { miss: 1 } });
  });

  test("a command that is sent again after the connection broke counts once", async () => {
    const { port: breakable, breakAll, holdReplies } = await breakablePort();
    const cache = cacheOf({ port: breakable, retryStrategy: () => 1 });
    await cache.set(prefixOf(), "1");
    await cache.multi({ pipeline: false });
    const requested = holdReplies();
    const pending = cache.get(prefixOf());
    await requested;
    breakAll();
    // The new connection knows of no transaction.
    expect(await pending).toBe("1");
    expect(await cache.get(prefixOf())).toBe("1");
    expect(figures("ioredis")).toMatchObject({ requests: { hit: 2, miss: 0 }, timed: { hit: 2 } });
  });

  test("a connection that stays broken", async () => {
    const { port: breakable, breakAll, holdReplies } = await breakablePort();
    const cache = cacheOf({ port: breakable, retryStrategy: () => null });
    await cache.get("none");
    const requested = holdReplies();
    const failing = Promise.allSettled([cache.get("a"), cache.pipeline().get("a").exec()]);
    await requested;
    breakAll();
    expect(await failing).toMatchObject([
      { status: "rejected" },
      { status: "fulfilled", value: [[expect.any(Error)]] },
    ]);
    await expect(cache.get("a")).rejects.toThrow("Connection is closed");
    expect(figures("ioredis")).toMatchObject({ requests: { hit: 0, miss: 1 }, timed: { miss: 1 } });
  });
});

describeWithRedis("a cluster of ioredis", () => {
  test("commands and pipelines, whichever server they go to", async () => {
    // A cluster keeps a file of its nodes.
    const directory = ["--dir", mkdtempSync(join(tmpdir(), "redis-"))];
    const bus = ["--cluster-port", String(await freePort())];
    const announced = ["--cluster-announce-ip", "127.0.0.1"];
    const node = await startRedis("--cluster-enabled", "yes", ...directory, ...bus, ...announced);
    const admin = new Redis({ port: node, host: "127.0.0.1" });
    await admin.cluster("ADDSLOTSRANGE", 0, 16383);
    while (!(await admin.cluster("INFO")).includes("cluster_state:ok")) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    admin.disconnect();
    const cluster = new Cluster([{ port: node, host: "127.0.0.1" }]);
    closing.push(() => cluster.disconnect());
    expect(instrumentCache(cluster, { name: "cluster" })).toBe(cluster);
    expect(await cluster.get("a")).toBeNull();
    await cluster.set("a", "1");
    expect(await cluster.get("a")).toBe("1");
    expect(await cluster.pipeline().get("{a}1").get("a").exec()).toEqual([
      [null, null],
      [null, "1"],
    ]);
    expect(await cluster.multi().get("a").exec()).toEqual([[null, "1"]]);
    expect(figures("cluster").requests).toEqual({ hit: 3, miss: 2 });
  });
});

describeWithRedis("both", () => {
  test("a rejection that nobody handles is still reported as one", () => {
    const program = `
      const { instrumentCache, start } = await import("./src/instrument/index.ts");
      const { createClient } = await import("redis");
      const { Redis } = await import("ioredis");
      start({ export: false, http: false, system: false });
      const told = [];
      process.on("unhandledRejection", (error) => told.push(String(error).slice(0, 20)));
      const one = createClient({ socket: { port: ${port}, host: "127.0.0.1" } });
      await one.connect();
      const two = new Redis({ port: ${port}, host: "127.0.0.1" });
      instrumentCache(one, { name: "one" });
      instrumentCache(two, { name: "two" });
      await one.hSet("unhandled", "f", "v");
      void one.get("unhandled");
      void one.sendCommand(["GET", "unhandled"]);
      void two.get("unhandled");
      await one.get("unhandled").catch(() => {});
      await two.get("unhandled").catch(() => {});
      await one.sendCommand(["GET", "unhandled"]).catch(() => {});
      await one.multi().get("unhandled").exec().catch(() => {});
      setImmediate(() => { console.log(told.length); one.destroy(); two.disconnect(); });`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: join(__dirname, "..", ".."),
      env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" },
      encoding: "utf8",
    });
    expect(printed).toBe("3\n");
  });

  test("two clients of one server are never mixed; sizeOf is told to be of no use", async () => {
    const one = createClient({ socket: { port, host: "127.0.0.1" } });
    await one.connect();
    const two = new Redis({ port, host: "127.0.0.1" });
    closing.push(
      () => one.destroy(),
      () => two.disconnect(),
    );
    instrumentCache(one, { name: "one" });
    instrumentCache(two, { name: "two", sizeOf: () => 1 });
    const key = prefixOf();
    await one.get(key);
    await one.set(key, "1");
    await two.get(key);
    await two.get(key);
    expect(figures("one").requests).toEqual({ hit: 0, miss: 1 });
    expect(figures("two").requests).toEqual({ hit: 2, miss: 0 });
    expect(bench.said.map(({ message }) => message)).toEqual([
      'cache "two": sizeOf is not used: what Redis evicts is not seen here',
    ]);
  });
});
