/** One connection of the load generator. */
export interface Client {
  /** Sends a prepared request; resolves to whether it was accepted. */
  send(request: Buffer): Promise<boolean>;
  close(): void;
}
