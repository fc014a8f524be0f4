import { messageOf, type Problems } from "../problems.ts";
import { listPrices, type Price } from "./prices.ts";
import type { PriceTable } from "./types.ts";
import type { Spent } from "./usage.ts";

/** A model's id is its family's and a date or `latest`: gpt-4o-2024-08-06, claude-sonnet-4-5-20250929, gpt-4-0613. */
const snapshot = /[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$/u;

/** The list prices, of which an application may replace and add some. */
export class Prices {
  readonly #own: ReadonlyMap<string, Price>;

  constructor(own: ReadonlyMap<string, Price> = new Map()) {
    this.#own = own;
  }

  /**
   * Of the first name that has a price, the application's before the list's: a deployment may have any name, for which
   * the application may have agreed on a price. Undefined: unknown, which is not free.
   */
  of(...models: readonly string[]): Price | undefined {
    return firstOf(models, (model) => this.#own.get(model)) ?? firstOf(models, listPriceOf);
  }
}

function firstOf(
  models: readonly string[],
  priceOf: (model: string) => Price | undefined,
): Price | undefined {
  for (const model of models) {
    const price = priceOf(model) ?? priceOf(model.replace(snapshot, ""));
    if (price !== undefined) return price;
  }
  return undefined;
}

const { usdPerMillion: listed } = listPrices;
const listPriceOf = (model: string) => (Object.hasOwn(listed, model) ? listed[model] : undefined);

export const standardPrices = new Prices();

/** Undefined: nothing is priced. What is wrong in a table is told and left out. */
export function pricesOf(given: unknown, problems: Problems): Prices | undefined {
  if (given === undefined) return standardPrices;
  if (given === false) return undefined;
  try {
    return new Prices(ownPrices(given as PriceTable, problems));
  } catch (error) {
    const message = `prices: cannot read the table: ${messageOf(error)}`;
    problems.report("invalid_option", message, "llm prices");
    return standardPrices;
  }
}

function ownPrices({ usdPerMillion }: PriceTable, problems: Problems): Map<string, Price> {
  const own = new Map<string, Price>();
  for (const [model, price] of Object.entries(usdPerMillion)) {
    const { input, output, cacheRead, cacheWrite } = price;
    const values: unknown[] = [input, output, cacheRead ?? 0, cacheWrite ?? 0];
    if (values.every(isPrice)) own.set(model, { ...price });
    else problems.report("invalid_option", `prices: ${model} has no valid prices`, "llm prices");
  }
  return own;
}

const isPrice = (value: unknown) =>
  typeof value === "number" && value >= 0 && Number.isFinite(value);

/** In USD. Cached input is part of the input and priced apart; where it has no price of its own it costs as input. */
export function costOf(price: Price, usage: Spent): number {
  const { input = 0, output = 0, cacheRead = 0, cacheWrite = 0, cacheWriteLong = 0 } = usage;
  const { longContext } = price;
  const isLong = longContext !== undefined && input > longContext.above;
  const writePrice = price.cacheWrite ?? price.input;
  const inputCost =
    Math.max(0, input - cacheRead - cacheWrite) * price.input +
    cacheRead * (price.cacheRead ?? price.input) +
    Math.max(0, cacheWrite - cacheWriteLong) * writePrice +
    cacheWriteLong * (price.cacheWriteLong ?? writePrice);
  const outputCost = output * price.output;
  const total = isLong
    ? inputCost * longContext.inputFactor + outputCost * longContext.outputFactor
    : inputCost + outputCost;
  return total / 1e6;
}
