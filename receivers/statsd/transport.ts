/** Where lines come from. */
export interface Transport {
  /** Resolves to the bound addresses; rejects with ADDRESS_IN_USE or LISTEN_FAILED. */
  listen(): Promise<string[]>;
  /** Reads the lines that were received. */
  drain(): void;
  /** Reads what the system counts; called now and then. */
  poll(): Promise<void>;
  close(): Promise<void>;
}
