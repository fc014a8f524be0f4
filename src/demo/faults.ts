/** What the start-up burst provokes, so that rare things show at once. */

/** On a request to the app; it hands those of the language model on. */
export const faultHeader = "x-demo-fault";

/**
 * error: the handler fails. empty: the model has no text. llm_rate_limit: the model's first attempt is refused.
 * llm_error: all attempts fail.
 */
export type Fault = "error" | "empty" | "llm_rate_limit" | "llm_error";
