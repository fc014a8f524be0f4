/** How several configurations become one. */
import {
  type ConfigNode,
  canonicalText,
  listNode,
  type MapEntry,
  type MapNode,
  mapNode,
} from "./tree.ts";

interface MergeOptions {
  /** Gate confmap.enableMergeAppendOption: these lists are joined instead of replaced. */
  readonly append?: boolean;
}

/** Whether the gate appends at this path: service::extensions, and receivers and exporters of a pipeline. */
function appends(path: readonly string[]): boolean {
  const [service, section, , list] = path;
  if (service !== "service") return false;
  if (section === "extensions") return path.length === 2;
  if (section !== "pipelines" || path.length !== 4) return false;
  return list === "receivers" || list === "exporters";
}

/** Maps merge key by key; lists and scalars of `over` replace, also a null that stands against a map. */
export function mergeConfig(base: MapNode, over: MapNode, options: MergeOptions = {}): MapNode {
  return mergeMaps(base, over, options, []);
}

function mergeMaps(
  base: MapNode,
  over: MapNode,
  options: MergeOptions,
  path: readonly string[],
): MapNode {
  const entries = new Map<string, MapEntry>(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key)?.value;
    entries.set(key, {
      keyAt: entry.keyAt,
      value:
        below === undefined ? entry.value : mergeNodes(below, entry.value, options, [...path, key]),
    });
  }
  return mapNode(entries, over.at);
}

function mergeNodes(
  base: ConfigNode,
  over: ConfigNode,
  options: MergeOptions,
  path: readonly string[],
): ConfigNode {
  if (base.kind === "map" && over.kind === "map") return mergeMaps(base, over, options, path);
  if (options.append === true && base.kind === "list" && over.kind === "list" && appends(path)) {
    const present = new Set(base.items.map(canonicalText));
    const added = over.items.filter((item) => !present.has(canonicalText(item)));
    return listNode([...base.items, ...added], over.at);
  }
  return over;
}

/** Keys such as `receivers::otlp` at the top of a source stand for a nested map. */
export function splitKeys(root: MapNode): MapNode {
  let result = mapNode(new Map(), root.at);
  for (const [key, entry] of root.entries) {
    let value = entry.value;
    const steps = key.split("::");
    for (const step of steps.slice(1).toReversed()) {
      value = mapNode(new Map([[step, { keyAt: entry.keyAt, value }]]), entry.keyAt);
    }
    const single = mapNode(new Map([[steps[0]!, { keyAt: entry.keyAt, value }]]), root.at);
    result = mergeConfig(result, single);
  }
  return result;
}
