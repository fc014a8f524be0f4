/**
 * A mark on an agent whose requests are not the application's, so not measured. By the global registry of symbols,
 * so that it also holds where a process loads this package twice.
 */
export const unmeasured: unique symbol = Symbol.for("repomind.unmeasured");
