/** Operations on the labels of one point: edits of its attribute set. */
import type { AttributeSet } from "../../src/attribute-actions/attribute-set.ts";
import { encodeValue } from "../../src/attribute-actions/values.ts";
import type { OperationConfig } from "./config.ts";
import type { MetricFilter } from "./metric-filter.ts";

/** false: the point goes. */
export type LabelEdit = (set: AttributeSet) => boolean;

const utf8 = (text: string): Uint8Array => Buffer.from(text, "utf8");

export function addLabel({ new_label, new_value }: OperationConfig): LabelEdit {
  const key = utf8(new_label);
  const value = encodeValue(new_value);
  return (set) => {
    if (set.find(key) < 0) set.append(key, value);
    return true;
  };
}

export function updateLabel(config: OperationConfig, filter: MetricFilter): LabelEdit {
  const key = utf8(config.label);
  const newKey = utf8(config.new_label === "" ? config.label : config.new_label);
  const isRenamed = !Buffer.from(newKey).equals(key);
  const values = new Map(
    config.value_actions.map(({ value, new_value }) => [value, encodeValue(new_value)]),
  );
  return (set) => {
    const at = set.find(key);
    if (at < 0 || !filter.matchLabels(set)) return true;
    const value = values.get(set.text(at) ?? "");
    if (isRenamed) renameLabel(set, key, newKey);
    if (value !== undefined) set.update(newKey, value);
    return true;
  };
}

function renameLabel(set: AttributeSet, key: Uint8Array, newKey: Uint8Array): void {
  set.remove(newKey);
  set.rename(set.find(key), newKey);
}

export function deleteLabelValue({ label, label_value }: OperationConfig): LabelEdit {
  const key = utf8(label);
  return (set) => {
    const at = set.find(key);
    return at < 0 || (set.text(at) ?? "") !== label_value;
  };
}

/** aggregate_labels: only the labels of the set stay. */
export function keepLabels({ label_set }: OperationConfig): LabelEdit {
  const kept = new Set(label_set);
  return (set) => {
    set.removeWhere((index) => !kept.has(set.keyText(index)));
    return true;
  };
}

/** aggregate_label_values: the given values become one. */
export function joinLabelValues(config: OperationConfig): LabelEdit {
  const key = utf8(config.label);
  const joined = new Set(config.aggregated_values);
  const value = encodeValue(config.new_value);
  return (set) => {
    const at = set.find(key);
    if (at >= 0 && joined.has(set.text(at) ?? "")) set.update(key, value);
    return true;
  };
}
