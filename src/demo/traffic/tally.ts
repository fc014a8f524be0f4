/** What the traffic source sent and what it got: the truth that the arrived metrics are compared with. */
import type { Result, Sent } from "./client.ts";

export type Counts = Readonly<Record<string, number>>;

export interface TallyReport {
  readonly sent: number;
  /** By `GET /repos 200`; without a route: `GET - 404`. */
  readonly answered: Counts;
  /** By `GET /repos`: the client went away before the end of the response. */
  readonly aborted: Counts;
  /** By reason: neither answered nor aborted, which should not be. */
  readonly failed: Counts;
  /** Feedback that was taken, by `explain up`. */
  readonly feedback: Counts;
  /** Requests that were due while too many were open. */
  readonly skipped: number;
}

export class Tally {
  readonly #answered = new Map<string, number>();
  readonly #aborted = new Map<string, number>();
  readonly #failed = new Map<string, number>();
  readonly #feedback = new Map<string, number>();
  #sent = 0;
  skipped = 0;

  begin(): void {
    this.#sent++;
  }

  end({ method, route, body }: Sent, result: Result): void {
    const name = `${method} ${route ?? "-"}`;
    if (result.kind === "aborted") return count(this.#aborted, name);
    if (result.kind === "failed") return count(this.#failed, result.reason);
    count(this.#answered, `${name} ${result.status}`);
    if (route !== "/feedback" || result.status >= 300) return;
    const { type, rating } = body as { type: string; rating: string };
    count(this.#feedback, `${type} ${rating}`);
  }

  get report(): TallyReport {
    return {
      sent: this.#sent,
      answered: Object.fromEntries(this.#answered),
      aborted: Object.fromEntries(this.#aborted),
      failed: Object.fromEntries(this.#failed),
      feedback: Object.fromEntries(this.#feedback),
      skipped: this.skipped,
    };
  }
}

const count = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1);
};
