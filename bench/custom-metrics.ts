/** A body of the custom metrics API: half counters, two gauges and three timings in ten, three attributes each. */
export function customMetrics(requestIndex: number, size: number): string {
  const metrics = Array.from({ length: size }, (_, i) => {
    const n = requestIndex * size + i;
    const attributes = { route: `/r${n % 20}`, method: "GET", status: 200 };
    if (i % 10 < 5)
      return { name: `app.requests.${n % 50}`, type: "counter", value: 1, attributes };
    if (i % 10 < 7) {
      return { name: `app.gauge.${n % 50}`, type: "gauge", value: (n % 977) / 4, attributes };
    }
    return { name: `app.latency.${n % 50}`, type: "timing", value: (n % 977) + 0.5, attributes };
  });
  return JSON.stringify(metrics);
}
