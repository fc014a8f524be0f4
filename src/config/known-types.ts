/**
 * Component types of the Collector (core and contrib), so that a configuration which names one that this
 * version does not have is told apart from a typing error. Current names; older ones in `renamedTypes`.
 */
import type { Kind } from "./registry-contract.ts";

const words = (text: string) => text.trim().split(/\s+/u);

const byKind: Readonly<Record<Kind, readonly string[]>> = {
  receiver: words(`
    active_directory_ds aerospike apache apachespark awscloudwatch awscontainerinsightreceiver
    awsecscontainermetrics awsfirehose awslambda awss3 awsxray azure_blob azureblob azureeventhub azure_monitor azuremonitor
    bigip carbon chrony ciscoos cloudflare cloudfoundry collectd couchdb datadog docker_stats elasticsearch
    envoyals expvar faro file_log file_stats filelog flinkmetrics fluent_forward github gitlab
    gitproviderreceiver googlecloudmonitoring googlecloudpubsub googlecloudpubsubpush googlecloudspanner
    haproxy host_metrics http_check huaweicloudcesreceiver icmpcheckreceiver iis influxdb jaeger jmx journald
    k8s_cluster k8s_events k8s_objects k8slog kafka kafka_metrics kubelet_stats libhoney loki macosunifiedlogging
    memcached mongodb mongodbatlas mysql named_pipe namedpipe netflow nginx nop nsxt ntp opencensus oracledb
    osquery otelarrow otlp otlpjsonfile podman_stats postgresql pprof prometheus prometheus_remote_write
    prometheus_simple pulsar purefa purefb rabbitmq receiver_creator redfish redis riak saphana signalfx
    skywalking snmp snowflake solace splunk_hec splunkenterprise sqlquery sqlserver sshcheck statsd stef
    syslog systemd tcp_check tcp_log tcpcheck tls_check tlscheck udp_log unix_log vcenter vcr vercel wavefront
    webhookevent windows_event_log windowsperfcounters windowsservice yang_grpc zipkin zookeeper profiling
    kubernetes_prometheus windows_service`),
  processor: words(`
    attributes batch coralogix cumulative_to_delta datadog datadog_semantics delta_to_cumulative
    delta_to_rate deltatocumulative deltatorate dns_lookup dynamic_sampling experimental_metricsgeneration
    filter geoip group_by_attrs groupbyattrs groupbytrace interval isolation_forest isolationforest k8s_attributes
    log_dedup logdedup logstransform lookup memory_limiter metric_start_time metricsgeneration
    metrics_generation metricstarttime metrics_transform nop probabilistic_sampler queuebatch redaction
    remotetap resource resource_detection routing schema span spanmetrics spanpruning sumologic tail_sampling
    transform unroll metrics_start_time elastictrace elasticapm elasticinframetrics servicegraph`),
  exporter: words(`
    alertmanager alibabacloud_logservice awscloudwatchlogs awsemf awskinesis awss3 awsxray azureblob
    azuredataexplorer azuremonitor bmchelix carbon cassandra clickhouse coralogix datadog dataset debug
    doris dynatrace elasticsearch faro file google_cloud_storage googlecloud googlecloudpubsub
    googlecloudstorage googlemanagedprometheus honeycombmarker influxdb instana jaeger jaeger_thrift kafka
    kinetica load_balancing logging logicmonitor logzio loki mezmo nop opencensus opensearch otelarrow
    otlp_grpc otlp_http otlpjsonfile parquet prometheus prometheus_remote_write pulsar rabbitmq sapm sentry
    signalfx skywalking splunk_hec stef sumologic syslog tencentcloud_logservice tinybird
    topic_creator websocket zipkin azure_data_explorer azure_monitor`),
  connector: words(`
    count datadog exceptions failover forward grafanacloud metricsaslogs nop otlpjson round_robin roundrobin
    routing service_graph servicegraph signal_to_metrics signaltometrics slowsql span_metrics spanmetricsv2
    sum topic_router`),
  extension: words(`
    ack asapclient avro_log_encoding awscloudwatchmetricstreams_encoding awslogs_encoding awsproxy
    azure_auth azureauth azure_encoding basic_auth basicauth bearer_token_auth bearertokenauth cfgarden_observer
    cgroupruntime datadog db_storage docker_observer ecs_observer ecs_task_observer file_storage
    googleclientauth googlecloudlogentry_encoding google_cloud_logentry_encoding headers_setter health_check
    health_check_v2 healthcheckv2 host_observer http_forwarder jaeger_encoding jaeger_query jaeger_storage
    jaegerremotesampling json_log_encoding k8s_leader_elector k8s_observer kafkatopics_observer
    memory_ballast memory_limiter nop oauth2client oidc opamp opampcustommessages otlp_encoding pprof
    protobuf_encoding redis_storage remotetap remote_storage remote_sampling sigv4auth
    skywalking_encoding solarwindsapmsettings sumologic text_encoding zipkin_encoding zpages`),
};

/** Older type names and what they are called now. */
export const renamedTypes: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  receiver: {
    filelog: "file_log",
    filestats: "file_stats",
    fluentforward: "fluent_forward",
    hostmetrics: "host_metrics",
    httpcheck: "http_check",
    k8sobjects: "k8s_objects",
    kafkametrics: "kafka_metrics",
    kubeletstats: "kubelet_stats",
    prometheusremotewrite: "prometheus_remote_write",
    tcplog: "tcp_log",
    udplog: "udp_log",
    windowseventlog: "windows_event_log",
  },
  processor: {
    cumulativetodelta: "cumulative_to_delta",
    k8sattributes: "k8s_attributes",
    metricstransform: "metrics_transform",
    resourcedetection: "resource_detection",
  },
  exporter: {
    loadbalancing: "load_balancing",
    otlp: "otlp_grpc",
    otlphttp: "otlp_http",
    prometheusremotewrite: "prometheus_remote_write",
  },
  connector: { spanmetrics: "span_metrics" },
  extension: {},
};

/** Whether the Collector has (or had) a component of this type, under its current or an older name. */
export function isCollectorType(kind: Kind, type: string): boolean {
  return byKind[kind].includes(type) || Object.hasOwn(renamedTypes[kind], type);
}

/** What to tell who names a type of the Collector that is not here. */
export function missingTypeHint(kind: Kind, type: string): string {
  const current = renamedTypes[kind][type];
  const name = current === undefined ? type : `${type} (now ${current})`;
  return `${name} is a Collector component this version does not have`;
}
