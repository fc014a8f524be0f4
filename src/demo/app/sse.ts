/** The data of server-sent events, as JSON; OpenAI's [DONE] ends them. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    const events = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
    rest = events.pop()!;
    for (const event of events) {
      const data = /^data: (.*)$/mu.exec(event)?.[1];
      if (data === "[DONE]") return;
      if (data !== undefined) yield JSON.parse(data);
    }
  }
}
