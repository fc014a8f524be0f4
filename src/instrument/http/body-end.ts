/** How the body of a response was read, whoever reads it. */
export interface BodyEnd {
  sent(): void;
  cancelled(): void;
  failed(error: unknown): void;
}

/** A body that nobody reads to its end and nobody cancels. */
const dropped = new FinalizationRegistry<BodyEnd>((end) => end.cancelled());

/**
 * Tells when a body was read to its end. Node tells that by itself of any reader; but a stream that was cancelled looks
 * the same, so the ways to cancel are watched. The first call counts.
 */
export function observeBody(body: ReadableStream, end: BodyEnd): void {
  let pipe: Promise<void> | undefined;
  watchCancelling(body, end, (begun) => {
    pipe = begun;
  });
  dropped.register(body, end);
  const { finished } = process.getBuiltinModule("node:stream");
  finished(body as never, (error) => {
    if (error) end.failed(error);
    else if (pipe === undefined) end.sent();
    else void endAsPipe(pipe, end);
  });
}

async function endAsPipe(pipe: Promise<void>, end: BodyEnd): Promise<void> {
  try {
    await pipe;
    end.sent();
  } catch {
    // Told to whom the pipe belongs.
    end.cancelled();
  }
}

/** Another promise of the same: that the first one is looked at must not hide a rejection that nobody handles. */
async function again(promise: Promise<void>): Promise<void> {
  await promise;
}

/** Replaces methods of this one stream: what they do and return stays. */
function watchCancelling(
  body: ReadableStream,
  end: BodyEnd,
  onPipe: (begun: Promise<void>) => void,
): void {
  override(body, "cancel", (call, given) => {
    if (!body.locked) end.cancelled();
    return call(given);
  });
  override(body, "getReader", (call, given) => watchReader(call(given) as Reader, end));
  override(body, "pipeTo", (call, given) => {
    const begun = call(given) as Promise<void>;
    onPipe(begun);
    return again(begun);
  });
  override(body, "pipeThrough", (call, given) => {
    const [pair, options] = given as [ReadableWritablePair | undefined, PipeOptions];
    // The original throws what is to be thrown.
    if (body.locked || pair?.writable?.locked !== false) return call(given);
    // As in the standard, the other end of the pair tells of failures.
    body.pipeTo(pair.writable, options).catch(() => {});
    return pair.readable;
  });
  for (const name of ["values", Symbol.asyncIterator]) {
    override(body, name, (call, given) => {
      const [options] = given as [{ readonly preventCancel?: boolean } | undefined];
      const iterator = call(given) as object;
      if (options?.preventCancel !== true) onCall(iterator, "return", () => end.cancelled());
      return iterator;
    });
  }
}

type PipeOptions = Parameters<ReadableStream["pipeTo"]>[1];
type Reader = ReadableStreamDefaultReader | ReadableStreamBYOBReader;

function watchReader(reader: Reader, end: BodyEnd): Reader {
  let isClosed = false;
  const close = () => {
    isClosed = true;
  };
  // Rejected where the reader lets go of the stream: nothing has ended then.
  reader.closed.then(close, () => {});
  onCall(reader, "cancel", () => {
    if (!isClosed) end.cancelled();
  });
  return reader;
}

function onCall(target: object, name: string, tell: () => void): void {
  override(target, name, (call, given) => {
    tell();
    return call(given);
  });
}

type Call = (given: readonly unknown[]) => unknown;

function override(
  target: object,
  name: PropertyKey,
  replacement: (call: Call, given: readonly unknown[]) => unknown,
): void {
  const original = (target as Record<PropertyKey, () => unknown>)[name]!;
  const call: Call = (given) => Reflect.apply(original, target, given);
  const value = (...given: unknown[]) => replacement(call, given);
  Object.defineProperty(target, name, { value, writable: true, configurable: true });
}
