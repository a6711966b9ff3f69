//! The figures of a server in the text format of Prometheus, read when they are asked for.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use jiff::Timestamp;
use process::{MemoryReader, Resources};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, prometheus_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use transport::WindowBudget;

use super::counters::Counters;
use crate::{Options, WorstCase};

/// The media type of the text format.
pub(crate) const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The figures of one server for Prometheus.
pub(crate) struct Exporter(Registry);

impl Exporter {
    /// Returns the figures of a server with these options and counters.
    pub(crate) fn new(options: &Options, counters: Arc<Counters>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Figures {
            counters,
            began: Timestamp::now(),
            memory: MemoryReader::new().ok(),
            connections: options.max_connections.max(1),
            requests: options.max_requests.max(1),
            worst_case: WorstCase::of(options).bytes(),
            windows: [
                ("receive", options.guards.receive_budget.clone()),
                ("send", options.guards.send_budget.clone()),
            ],
        }));
        Self(registry)
    }

    /// Returns all figures as text, some 5 KiB.
    ///
    /// # Errors
    /// Fails only if a figure cannot be formatted.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

struct Figures {
    counters: Arc<Counters>,
    began: Timestamp,
    memory: Option<MemoryReader>,
    connections: u32,
    requests: u32,
    worst_case: u64,
    /// The budgets of windows, by the direction of the bytes that they bound.
    windows: [(&'static str, Option<WindowBudget>); 2],
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        page.info("longhaul_build", "The version of longhaul", [("version", env!("CARGO_PKG_VERSION"))])?;
        self.connections(&mut page)?;
        self.requests(&mut page)?;
        self.bodies(&mut page)?;
        self.budgets(&mut page)?;
        self.process(&mut page)
    }
}

impl Figures {
    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let counters = &self.counters;
        page.counter("longhaul_connections_accepted", "Accepted connections", None, counters.accepted())?;
        page.counters(
            "longhaul_connections_refused",
            "Connections that were refused at once, or after waiting for a place, by the limit that they exceeded",
            ("limit", counters.refused_connections()),
        )?;
        page.gauge("longhaul_connections_open", "Open connections", None, counters.open_connections())?;
        page.gauge("longhaul_connections_limit", "Most concurrent connections", None, self.connections.into())
    }

    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let served = || self.counters.served().iter();
        let requests = served().map(|served| (served.name(), served.requests.load(Relaxed)));
        page.counters("longhaul_requests", "Requests that arrived", ("protocol", requests))?;
        let open = served().map(|served| (served.name(), served.open()));
        page.gauges("longhaul_requests_open", "Requests whose transfer runs", None, ("protocol", open))?;
        page.gauge("longhaul_requests_limit", "Most concurrent requests", None, self.requests.into())?;
        page.counters("longhaul_responses", "Responses by status code", ("code", self.counters.responses()))?;
        page.counter(
            "longhaul_responses_failed",
            "Responses that were cut off because the server failed to read their bodies",
            None,
            self.counters.failed_responses(),
        )?;
        page.counters(
            "longhaul_requests_refused",
            "Refused requests, by the name of the response's status; no_response for streams that were reset",
            ("reason", self.counters.refused()),
        )
    }

    fn bodies(&self, page: &mut Page<'_>) -> fmt::Result {
        let served = || self.counters.served().iter();
        let received = served().map(|served| (served.name(), served.received.load(Relaxed)));
        page.counters_of_bytes("longhaul_body_received", "Bytes of request bodies", ("protocol", received))?;
        let sent = served().map(|served| (served.name(), served.sent.load(Relaxed)));
        page.counters_of_bytes("longhaul_body_sent", "Bytes of response bodies", ("protocol", sent))
    }

    fn budgets(&self, page: &mut Page<'_>) -> fmt::Result {
        let bytes = Some(&Unit::Bytes);
        page.gauge(
            "longhaul_memory_worst_case",
            "Most memory that the limits in force allow, as stated at the start",
            bytes,
            self.worst_case,
        )?;
        let windows = |read: fn(&WindowBudget) -> u64| {
            let known =
                |(name, budget): &(&'static str, Option<WindowBudget>)| Some((*name, read(budget.as_ref()?)));
            self.windows.iter().filter_map(known).collect::<Vec<_>>()
        };
        page.gauges(
            "longhaul_window_budget",
            "Budget of bytes by which the windows of all connections may grow",
            bytes,
            ("direction", windows(WindowBudget::total)),
        )?;
        page.gauges(
            "longhaul_window_granted",
            "Part of the budget that connections hold",
            bytes,
            ("direction", windows(WindowBudget::granted)),
        )
    }

    /// Writes the figures that the client libraries of Prometheus export for any process, under the same names.
    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        if let Some(used) = Resources::used() {
            let seconds = (used.user + used.system).as_secs_f64();
            let unit = Some(&Unit::Seconds);
            page.seconds_total("process_cpu", "Processor time, of user and system together", unit, seconds)?;
        }
        if let Some(memory) = self.memory.as_ref().and_then(MemoryReader::read_exact) {
            let unit = Some(&Unit::Bytes);
            page.gauge("process_resident_memory", "Resident memory", unit, memory.rss_bytes)?;
            page.gauge(
                "longhaul_anonymous_memory",
                "Resident memory without files",
                unit,
                memory.anon_bytes,
            )?;
        }
        if let Some(held) = self.memory.as_ref().and_then(MemoryReader::holdings) {
            page.gauge("process_open_fds", "Open file descriptors", None, held.descriptors)?;
        }
        let began = Duration::try_from(self.began.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default();
        let unit = Some(&Unit::Seconds);
        page.gauge("process_start_time", "Start of the server, since 1970-01-01 UTC", unit, began.as_secs())
    }
}

/// The page of figures that is being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn info<const N: usize>(&mut self, name: &str, help: &str, labels: [(&str, &str); N]) -> fmt::Result {
        // The text format has no metrics of the type info. A gauge of 1 whose name ends in `_info` takes their place.
        let name = format!("{name}_info");
        let mut encoder = self.0.encode_descriptor(&name, help, None, MetricType::Gauge)?;
        ConstGauge::new(1_u64).encode(encoder.encode_family(&labels)?)
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn seconds_total(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    fn counters<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        series: (&str, impl IntoIterator<Item = (L, u64)>),
    ) -> fmt::Result {
        self.family((name, help, None, MetricType::Counter), series)
    }

    fn counters_of_bytes<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        series: (&str, impl IntoIterator<Item = (L, u64)>),
    ) -> fmt::Result {
        self.family((name, help, Some(&Unit::Bytes), MetricType::Counter), series)
    }

    fn gauges<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        series: (&str, impl IntoIterator<Item = (L, u64)>),
    ) -> fmt::Result {
        self.family((name, help, unit, MetricType::Gauge), series)
    }

    /// Writes the series of a metric, one for each value of a label.
    fn family<L: AsRef<str>>(
        &mut self,
        (name, help, unit, kind): (&str, &str, Option<&Unit>, MetricType),
        (label, series): (&str, impl IntoIterator<Item = (L, u64)>),
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (value, figure) in series {
            let labels = [(label, value.as_ref())];
            let encoder = encoder.encode_family(&labels)?;
            match kind {
                MetricType::Counter => ConstCounter::new(figure).encode(encoder)?,
                _ => ConstGauge::new(figure).encode(encoder)?,
            }
        }
        Ok(())
    }
}
