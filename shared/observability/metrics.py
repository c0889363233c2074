"""All metrics of the product with their meaning. FastStream adds its own (`faststream_…`)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BATCH_SIZES = (1, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000)


class Metrics:
    """The product's metrics in one registry. A process has one."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.records = Counter(
            "pantry_records_total",
            "Records by what became of them: handled, or the dead letter's reason.",
            ["worker", "outcome"],
            registry=self.registry,
        )
        self.published = Counter(
            "pantry_published_total", "Events published and acknowledged.", ["worker", "topic"], registry=self.registry
        )
        self.batch_size = Histogram(
            "pantry_batch_records", "Records in a batch.", ["worker"], buckets=_BATCH_SIZES, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "pantry_batch_seconds", "Seconds from a batch's arrival to its commit.", ["worker"], registry=self.registry
        )
        self.retries = Counter(
            "pantry_retries_total", "Tries that a server's absence made void.", ["worker"], registry=self.registry
        )
        self.tripped = Gauge(
            "pantry_worker_tripped",
            "1 once the breaker stopped the worker: its handler failed on too many records.",
            ["worker"],
            registry=self.registry,
        )
        self.invalid = Counter(
            "pantry_invalid_records_total",
            "Records that are no valid event, by who produced them; producers beyond the first 100 are `other`.",
            ["worker", "source", "reason"],
            registry=self.registry,
        )
        self.stuck = Gauge(
            "pantry_worker_stuck",
            "1 while no record of the batch in hand has found its outcome for a minute, though the servers answer.",
            ["worker"],
            registry=self.registry,
        )
        self.refused = Gauge(
            "pantry_config_refused",
            "1 while the configuration file, as it is saved, can't be used; the last good version holds.",
            ["file"],
            registry=self.registry,
        )
        self.lag = Gauge(
            "pantry_consumer_lag_records",
            "Records between the last commit and the partitions' ends, over what this process is assigned.",
            ["worker"],
            registry=self.registry,
        )
        self.advanced = Gauge(
            "pantry_loop_advanced_timestamp_seconds",
            "When the consume loop last went round (Unix time): a value that stands still is a stuck worker.",
            ["worker"],
            registry=self.registry,
        )
        self.shared_identifiers = Counter(
            "pantry_shared_identifiers_total",
            "E-mails that were captured under too many names, and identify no one from then on.",
            registry=self.registry,
        )
        self.drift = Gauge(
            "pantry_prediction_drift_alarms",
            "Features, and the rate of conversions, that are no longer what the model in use learned from.",
            registry=self.registry,
        )
        self.unreadable = Counter(
            "pantry_gateway_unreadable_leads_total",
            "Leads left out of a page: they are stored in a form that can't be shown (`pantry leads check`).",
            registry=self.registry,
        )
        self.cut = Counter(
            "pantry_http_connections_cut_total",
            "Connections that the process ended or refused: a head too slow or too large, no room, nobody who reads, …",
            ["reason"],
            registry=self.registry,
        )
        self.requests = Counter(
            "pantry_http_requests_total", "Requests to the gateway.", ["route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "pantry_http_request_seconds", "Seconds from a request to its answer.", ["route"], registry=self.registry
        )
        self.under_way = Gauge(
            "pantry_gateway_records_under_way",
            "Records that the gateway took and Kafka hasn't acknowledged yet.",
            registry=self.registry,
        )
