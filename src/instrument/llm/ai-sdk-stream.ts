import type { ObservedCall } from "./observed-call.ts";

/** Reads one part ahead of nothing: without a queue of its own the stream keeps the pace of who reads it. */
const unbuffered = { highWaterMark: 0 };

export function observeReadable(
  source: ReadableStream,
  call: ObservedCall,
  signal: AbortSignal | undefined,
): ReadableStream {
  const reader = source.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            call.streamEnded();
            controller.close();
          } else {
            call.chunk(value);
            controller.enqueue(value);
          }
        } catch (error) {
          call.failed(error);
          controller.error(error);
        }
      },
      cancel(reason) {
        if (signal?.aborted === true) call.failed("aborted");
        else call.streamEnded();
        return reader.cancel(reason);
      },
    },
    unbuffered,
  );
}
