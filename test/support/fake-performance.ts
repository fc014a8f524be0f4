/** The time that performance.now() says, moved by hand. */
export class FakePerformance {
  nowMs = 0;

  install(): void {
    this.nowMs = 1000;
    // Not a mock, which would keep every call.
    Object.defineProperty(performance, "now", { value: () => this.nowMs, configurable: true });
  }

  restore(): void {
    Reflect.deleteProperty(performance, "now");
  }
}
