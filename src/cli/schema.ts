import process from "node:process";
import { jsonSchema } from "../config/json-schema.ts";
import { allFactories } from "../registry.ts";

/** Prints the JSON Schema of pipelines.yaml. */
export async function schema(): Promise<number> {
  process.stdout.write(`${JSON.stringify(jsonSchema(await allFactories()), null, 2)}\n`);
  return 0;
}
