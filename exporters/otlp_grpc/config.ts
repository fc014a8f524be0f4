import { section, type z } from "../../src/config/fields.ts";
import { deliveryKeys } from "../../src/config/fragments/delivery.ts";
import { endpointProblem, grpcClientKeys } from "../../src/config/fragments/grpc-client.ts";

/** The keys of the Collector's otlp_grpc exporter. */
export const config = section({ ...grpcClientKeys, ...deliveryKeys("5s") }).superRefine(
  (value, context) => {
    const problem = endpointProblem(value.endpoint);
    if (problem !== undefined) {
      context.addIssue({ code: "custom", path: ["endpoint"], message: problem });
    }
    if (value.timeout < 0) {
      const message = "'timeout' must be non-negative";
      context.addIssue({ code: "custom", path: ["timeout"], message });
    }
  },
);

export type OtlpGrpcConfig = z.output<typeof config>;
