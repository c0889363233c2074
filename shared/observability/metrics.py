"""All metrics of the product with their meaning. FastStream adds its own (`faststream_received_…`)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BATCH_SIZES = (1, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000)


class Metrics:
    """The product's metrics in one registry. A process has one."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.records = Counter(
            "pantry_records_total",
            "Records by their outcome: `handled`, or the reason of the dead letter.",
            ["worker", "outcome"],
            registry=self.registry,
        )
        self.published = Counter(
            "pantry_published_total",
            "Events that the worker published and Kafka acknowledged.",
            ["worker", "topic"],
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "pantry_batch_records", "Records in a batch.", ["worker"], buckets=_BATCH_SIZES, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "pantry_batch_seconds",
            "Seconds from the arrival of a batch to its commit.",
            ["worker"],
            registry=self.registry,
        )
        self.retries = Counter(
            "pantry_retries_total",
            "Tries that failed because a server did not answer.",
            ["worker"],
            registry=self.registry,
        )
        self.tripped = Gauge(
            "pantry_worker_tripped",
            "1 after the circuit breaker stopped the worker, whose handler failed on too many records.",
            ["worker"],
            registry=self.registry,
        )
        self.invalid = Counter(
            "pantry_invalid_records_total",
            "Invalid records by the `source` of their event. Sources beyond the first 100 of a process are `other`.",
            ["worker", "source", "reason"],
            registry=self.registry,
        )
        self.stuck = Gauge(
            "pantry_worker_stuck",
            "1 while the servers answer, but no record of the batch has got an outcome for a minute.",
            ["worker"],
            registry=self.registry,
        )
        self.refused = Gauge(
            "pantry_config_refused",
            "1 while the saved configuration file can't be used. The process goes on with the last good version.",
            ["file"],
            registry=self.registry,
        )
        self.lag = Gauge(
            "pantry_consumer_lag_records",
            "Lag: records after the last commit, in the partitions that this process has.",
            ["worker"],
            registry=self.registry,
        )
        self.advanced = Gauge(
            "pantry_loop_advanced_timestamp_seconds",
            "Unix time of the last turn of the consume loop. It stops while the worker is stuck.",
            ["worker"],
            registry=self.registry,
        )
        self.shared_identifiers = Counter(
            "pantry_shared_identifiers_total",
            "E-mails that became shared identifiers: more persons used them than the setting allows.",
            registry=self.registry,
        )
        self.drift = Gauge(
            "pantry_prediction_drift_alarms",
            "Drift: number of features, with the conversion rate as one, that differ from what the model learned from.",
            registry=self.registry,
        )
        self.unreadable = Counter(
            "pantry_gateway_unreadable_leads_total",
            "Leads that a page left out because it can't show their documents. `pantry leads check` finds them.",
            registry=self.registry,
        )
        self.cut = Counter(
            "pantry_http_connections_cut_total",
            "Connections that the process ended or refused, because of a slow or large head, their number, …",
            ["reason"],
            registry=self.registry,
        )
        self.requests = Counter(
            "pantry_http_requests_total", "Requests to the gateway.", ["route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "pantry_http_request_seconds",
            "Seconds from a request to the gateway to its answer.",
            ["route"],
            registry=self.registry,
        )
        self.under_way = Gauge(
            "pantry_gateway_records_under_way",
            "Records that the gateway sent and Kafka has not acknowledged yet.",
            registry=self.registry,
        )
