import { expect, test } from "@jest/globals";
import { config } from "../../../processors/memory_limiter/config.ts";
import { limitsOf } from "../../../processors/memory_limiter/limits.ts";

const mebibyte = 2 ** 20;
const total = 100 * mebibyte;

// TestGetDecision and newFixedMemUsageChecker of internal/memorylimiter.
test.each([
  [{ limit_mib: 100, spike_limit_mib: 20 }, 100, 80],
  [{ limit_percentage: 50, spike_limit_percentage: 10 }, 50, 40],
  // 20 % of the hard limit where no spike is given.
  [{ limit_mib: 100 }, 100, 80],
  [{ limit_percentage: 50 }, 50, 40],
  // limit_mib has precedence, with its own spike.
  [{ limit_mib: 10, limit_percentage: 50, spike_limit_percentage: 40 }, 10, 8],
])("%j of 100 MiB: hard %i MiB, soft %i MiB", (options, hard, soft) => {
  const limits = limitsOf(config.parse({ check_interval: "1s", ...options }), total);
  expect(limits).toEqual({ hardBytes: hard * mebibyte, softBytes: soft * mebibyte });
});

test("shares are cut to whole bytes, as Go divides", () => {
  const parsed = config.parse({ check_interval: "1s", limit_percentage: 33 });
  expect(limitsOf(parsed, 1001)).toEqual({ hardBytes: 330, softBytes: 264 });
});
