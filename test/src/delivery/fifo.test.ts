import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { Fifo } from "../../../src/delivery/fifo.ts";

type Step = "push" | "shift" | "drain" | "remove";
const steps = fc.array(
  fc.constantFrom<Step>("push", "push", "push", "shift", "shift", "drain", "remove"),
  { maxLength: 60 },
);

test("behaves as an array does", () => {
  fc.assert(
    fc.property(steps, (script) => {
      const fifo = new Fifo<number>();
      let model: number[] = [];
      for (const [i, step] of script.entries()) {
        if (step === "push") {
          fifo.push(i);
          model.push(i);
        } else if (step === "shift") {
          expect(fifo.shift()).toBe(model.shift());
        } else if (step === "drain") {
          expect(fifo.drain()).toEqual(model);
          model = [];
        } else {
          const victim = model[Math.floor(model.length / 2)] ?? -1;
          fifo.remove(victim);
          model = model.filter((item) => item !== victim);
        }
        expect(fifo.length).toBe(model.length);
        expect(fifo.peek()).toBe(model[0]);
      }
    }),
  );
});
