export type Method = (this: unknown, ...args: unknown[]) => unknown;
/** For each method by its name: what takes its place. */
export type Wrappers = Readonly<Record<string, (original: Method) => Method>>;

/** A method that hands its receiver and arguments on. */
export function intercept(handle: (receiver: unknown, args: unknown[]) => unknown): Method {
  return function (this: unknown, ...args: unknown[]): unknown {
    return handle(this, args);
  };
}

interface Replaced {
  readonly name: string;
  /** The target's own property; undefined: the method was inherited. */
  readonly before: PropertyDescriptor | undefined;
}

/**
 * Puts wrappers in the place of the methods that the target has, all or none: throws where one cannot be replaced.
 * As properties of the target itself, not enumerable unless they were: nothing else sees them.
 */
export function replaceMethods(target: object, wrappers: Wrappers): void {
  const done: Replaced[] = [];
  try {
    for (const [name, wrap] of Object.entries(wrappers)) {
      const original: unknown = Reflect.get(target, name);
      if (typeof original !== "function") continue;
      const before = Reflect.getOwnPropertyDescriptor(target, name);
      replace(target, name, before, likeOriginal(wrap(original as Method), original));
      done.push({ name, before });
    }
  } catch (error) {
    for (const { name, before } of done) {
      if (before === undefined) Reflect.deleteProperty(target, name);
      else Reflect.defineProperty(target, name, before);
    }
    throw error;
  }
}

function replace(
  target: object,
  name: string,
  before: PropertyDescriptor | undefined,
  value: Method,
): void {
  const isReplaced = Reflect.defineProperty(target, name, {
    value,
    writable: before?.writable ?? true,
    enumerable: before?.enumerable ?? false,
    configurable: before?.configurable ?? true,
  });
  if (!isReplaced) throw new Error(`its method ${name} cannot be replaced`);
}

function likeOriginal(wrapper: Method, original: { name?: unknown; length?: unknown }): Method {
  for (const key of ["name", "length"] as const) {
    Object.defineProperty(wrapper, key, { value: original[key], configurable: true });
  }
  return wrapper;
}
