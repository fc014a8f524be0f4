/**
 * `npm run new -- <kind> <type>`: makes the folder of a new component that passes the contract test once its
 * row stands in src/registry.ts (printed at the end).
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const [kind = "", type = ""] = process.argv.slice(2);

const pascal = (text: string) => text[0]!.toUpperCase() + text.slice(1);

const bodies: Readonly<Record<string, string>> = {
  receiver: `export const factory = defineReceiver({
  type: "${type}",
  stability: { metrics: "development" },
  summary: "One sentence.",
  config,
  example: {},
  create: ({ next, settings }) => ({
    start: () => {
      settings.log.info("Started.", { signals: Object.keys(next).join() });
      return Promise.resolve();
    },
  }),
});`,
  processor: `export const factory = defineProcessor({
  type: "${type}",
  stability: { metrics: "development", traces: "development", logs: "development" },
  state: "none",
  summary: "One sentence.",
  config,
  example: {},
  create: () => ({ transform: (payload) => payload }),
});`,
  exporter: `export const factory = defineExporter({
  type: "${type}",
  stability: { metrics: "development", traces: "development", logs: "development" },
  summary: "One sentence.",
  config,
  example: {},
  create: () => ({ push: () => Promise.resolve({}) }),
});`,
  connector: `export const factory = defineConnector({
  type: "${type}",
  pairs: [{ from: "metrics", to: "metrics", stability: "development" }],
  summary: "One sentence.",
  config,
  example: {},
  create: ({ next }) => ({
    consume: async (payload, context) => {
      for (const edge of next.values()) await edge.consume(payload, context);
    },
  }),
});`,
  extension: `export const factory = defineExtension({
  type: "${type}",
  stability: "development",
  summary: "One sentence.",
  config,
  example: {},
  create: () => ({}),
});`,
};

const body = bodies[kind];
if (body === undefined || !/^[a-z][a-z0-9_]*$/u.test(type)) {
  process.stderr.write(
    `Usage: npm run new -- <${Object.keys(bodies).join("|")}> <lower_snake_case_type>\n`,
  );
  process.exit(1);
}
const folder = `${kind}s/${type}`;
if (existsSync(`${root}${folder}`)) {
  process.stderr.write(`${folder} exists already.\n`);
  process.exit(1);
}

const factoryText = `import { define${pascal(kind)} } from "../../src/component.ts";
import { section } from "../../src/config/fields.ts";

const config = section({});

${body}
`;

const readme = `# ${type} ${kind}

What it does.

## Example

\`\`\`yaml
${kind}s:
  ${type}:
\`\`\`

## Configuration

<!-- config:begin -->
<!-- config:end -->

## Own metrics

None.

## Limits

None.

## Differences from the Collector's

None.
`;

mkdirSync(`${root}${folder}`, { recursive: true });
writeFileSync(`${root}${folder}/factory.ts`, factoryText);
writeFileSync(`${root}${folder}/README.md`, readme);
process.stdout.write(`Made ${folder}. Now:
1. add to src/registry.ts: row("${kind}", "${type}", () => import("../${folder}/factory.ts")),
2. npm run docs             fills the README's table
3. npm test -- conformance/components    the contract test runs over the registry
`);
