/** One of everything that is rare, so that every metric has data from the start. */
import { type Clock, sleep } from "../../clock.ts";
import { repoCount } from "../app/repos.ts";
import type { Result, Sent } from "./client.ts";
import { ask, feedbackOn, list, noSuchRepo, noSuchRoute, repo, search } from "./mix.ts";

/** Half as many again as the app allows within a second. */
const floodSize = 60;
/** More than once only where the machine is so slow that a flood takes more than a second. */
const maxFloods = 5;

const rare: readonly Sent[] = [
  { ...ask("explain", 1), fault: "llm_rate_limit" },
  ask("locate", 2),
  { ...ask("summarize", 3), fault: "llm_error" },
  { ...ask("review", 4), fault: "empty" },
  { ...ask("review", 5), fault: "error" },
  { ...ask("explain", 6), abortAfterMs: 20 },
  feedbackOn("explain", "up", 1),
  feedbackOn("locate", "down", 2),
  { ...list(0), fault: "error" },
  // The cache is full: what it does not hold yet pushes something out.
  repo(repoCount - 1),
  search(1),
  noSuchRepo,
  noSuchRoute,
];

type Send = (request: Sent) => Promise<Result>;

/** Resolves when all is answered; `onCalm` is called when ordinary traffic may begin. */
export async function burst(send: Send, clock: Clock, onCalm: () => void): Promise<void> {
  const answers = Promise.all(rare.map(send));
  await flood(send);
  // By then the rate limit has forgotten the flood.
  await sleep(clock, 1000);
  onCalm();
  await answers;
}

/** Until the rate limit was met. */
async function flood(send: Send): Promise<void> {
  for (let round = 0; round < maxFloods; round++) {
    const results = await Promise.all(Array.from({ length: floodSize }, (_, i) => send(list(i))));
    if (results.some(hasStatus(429))) return;
  }
}

const hasStatus = (status: number) => (result: Result) =>
  result.kind === "answered" && result.status === status;
