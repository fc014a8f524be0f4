/** service.name of the app. */
export const serviceName = "repomind";
/** Of the app: where OpenTelemetry's applications show themselves to Prometheus. */
export const usualPort = 9464;
