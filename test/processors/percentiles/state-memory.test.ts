import { expect, test } from "@jest/globals";
import { StateMemory } from "../../../processors/percentiles/state-memory.ts";
import { testBudget } from "../../support/settings.ts";

test("a limit of its own, with a little more for overflow groups", () => {
  const budget = testBudget();
  const memory = new StateMemory(budget, 1600);
  expect(memory.tryTake(1500)).toBe(true);
  expect(memory.isFull).toBe(false);
  expect(memory.tryTake(101)).toBe(false);
  expect(memory.isFull).toBe(true);
  expect(memory.tryTake(200, true)).toBe(true);
  expect(memory.tryTake(1, true)).toBe(false);
  memory.change(-50);
  expect(memory.isFull).toBe(true);
  memory.change(-100);
  expect(memory.isFull).toBe(false);
  memory.change(100);
  expect(memory.isFull).toBe(true);
  expect(budget.usedBytes).toBe(memory.heldBytes);
  memory.giveAll();
  expect([budget.usedBytes, memory.heldBytes, memory.isFull]).toEqual([0, 0, false]);
});

test("and that of the service", () => {
  const budget = testBudget(1000);
  const memory = new StateMemory(budget);
  budget.reserve(900);
  expect(memory.tryTake(101)).toBe(false);
  expect(memory.tryTake(50)).toBe(true);
  memory.change(51);
  expect(memory.isFull).toBe(true);
});
