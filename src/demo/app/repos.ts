/** The repositories that the app pretends to have: the same for every run. */
import { Random } from "../random.ts";

export interface Repo {
  readonly id: number;
  readonly name: string;
  readonly language: string;
  readonly stars: number;
  readonly readme: string;
}

export const repoCount = 5000;
const pageSize = 20;

export function repoOf(id: number): Repo | undefined {
  if (!Number.isInteger(id) || id < 0 || id >= repoCount) return undefined;
  const random = new Random(id, "repository");
  return {
    id,
    name: `${random.pick(owners)}/${random.pick(subjects)}-${id}`,
    language: random.pick(languages),
    stars: Math.floor(random.logNormal({ median: 40, p99: 20_000 })),
    readme: "This repository does one thing. ".repeat(10 + random.integer(200)),
  };
}

/** One page of names. */
export const pageOf = (page: number): string[] =>
  Array.from({ length: pageSize }, (_, i) => repoOf((page * pageSize + i) % repoCount)!.name);

const owners = ["north", "blue", "open", "tiny", "rapid"] as const;
const subjects = ["parser", "store", "router", "charts", "auth", "mailer", "queue"] as const;
const languages = ["TypeScript", "Python", "Go", "Rust", "Java"] as const;
