type Method = (this: unknown, ...args: unknown[]) => unknown;

/** In place; as hidden from whoever lists the object's properties as it was before. False: there is no such method. */
export function replaceMethod(
  target: object,
  name: string,
  make: (original: Method) => Method,
): boolean {
  const original: unknown = Reflect.get(target, name);
  if (typeof original !== "function") return false;
  Object.defineProperty(target, name, {
    value: make(original as Method),
    writable: true,
    configurable: true,
    enumerable: Object.getOwnPropertyDescriptor(target, name)?.enumerable ?? false,
  });
  return true;
}
