use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;

/// Names of metrics that one plugin may use.
const NAMES: usize = 100;
/// Labels of one metric.
const LABELS: usize = 8;
/// Bytes of one name.
const NAME_BYTES: usize = 100;
/// Bytes of the value of one label.
const LABEL_BYTES: usize = 128;
/// What stands in the labels of the series that takes what is over the limit.
const OVERFLOW: &str = "overflow";

/// What a guest measured.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// A counter goes up by this.
    Count(u64),
    /// A gauge has this value now.
    Gauge(f64),
    /// A histogram gets this observation.
    Observation(f64),
}

/// One measurement of a guest.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MetricRecord<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// The metric: a letter or an underscore, then letters, digits and underscores.
    pub name: &'a str,
    /// Its labels, ordered by name. For one metric of one plugin the names are always the same.
    pub labels: &'a [(String, String)],
    /// What was measured. A metric keeps its kind.
    pub value: MetricValue,
}

/// Where measurements of guests go. Called on the request's path: it must not block.
pub trait MetricSink: Send + Sync + fmt::Debug {
    /// Takes one measurement.
    fn record(&self, record: &MetricRecord<'_>);
}

/// The default sink: keeps sums in memory, to be read from a clone. Bounded by the limits of the plugins.
#[derive(Clone, Debug, Default)]
pub struct MemoryMetrics(Arc<Mutex<HashMap<SeriesKey, Sum>>>);

type Labels = Vec<(String, String)>;
type SeriesKey = (String, String, Labels);

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    value: f64,
}

impl MemoryMetrics {
    /// The sum of a counter or of a histogram's observations, or the value of a gauge, and how often it was recorded.
    pub fn read(&self, plugin: &str, name: &str, labels: &[(&str, &str)]) -> Option<(f64, u64)> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sum = *self.0.lock().get(&(plugin.to_owned(), name.to_owned(), labels))?;
        Some((sum.value, sum.count))
    }
}

impl MetricSink for MemoryMetrics {
    fn record(&self, record: &MetricRecord<'_>) {
        let key = (record.plugin.to_owned(), record.name.to_owned(), record.labels.to_vec());
        let mut series = self.0.lock();
        let sum = series.entry(key).or_default();
        sum.count += 1;
        match record.value {
            MetricValue::Count(by) => sum.value += by as f64,
            MetricValue::Gauge(value) => sum.value = value,
            MetricValue::Observation(value) => sum.value += value,
        }
    }
}

/// Why a measurement was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricError {
    InvalidName,
    InvalidLabel,
    InvalidValue,
    Mismatch,
    TooMany,
}

/// The metrics of one plugin: what it may name, and how many series it may make.
#[derive(Debug)]
pub(crate) struct PluginMetrics {
    sink: Arc<dyn MetricSink>,
    /// Series that all its metrics may have together.
    limit: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    families: HashMap<Box<str>, Family>,
    series: usize,
}

#[derive(Debug)]
struct Family {
    kind: std::mem::Discriminant<MetricValue>,
    labels: Box<[String]>,
    series: HashSet<Box<[String]>>,
}

impl PluginMetrics {
    pub(crate) fn new(sink: Arc<dyn MetricSink>, limit: usize) -> Self {
        Self { sink, limit, known: Mutex::default() }
    }

    /// Takes a measurement. One that would make a series too many goes to the metric's overflow series.
    pub(crate) fn record(
        &self,
        plugin: &str,
        name: &str,
        mut labels: Labels,
        value: MetricValue,
    ) -> Result<(), MetricError> {
        if !is_name(name) {
            return Err(MetricError::InvalidName);
        }
        labels.sort();
        let is_label = |(name, value): &(String, String)| is_name(name) && value.len() <= LABEL_BYTES;
        let is_twice = labels.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other));
        if labels.len() > LABELS || is_twice || !labels.iter().all(is_label) {
            return Err(MetricError::InvalidLabel);
        }
        if let MetricValue::Gauge(number) | MetricValue::Observation(number) = value
            && !number.is_finite()
        {
            return Err(MetricError::InvalidValue);
        }
        if !self.admits(name, &labels, value)? {
            labels.iter_mut().for_each(|(_, value)| OVERFLOW.clone_into(value));
        }
        self.sink.record(&MetricRecord { plugin, name, labels: &labels, value });
        Ok(())
    }

    /// Whether the series is there, or may be made.
    fn admits(&self, name: &str, labels: &Labels, value: MetricValue) -> Result<bool, MetricError> {
        let kind = std::mem::discriminant(&value);
        let known = &mut *self.known.lock();
        if !known.families.contains_key(name) {
            if known.families.len() == NAMES {
                return Err(MetricError::TooMany);
            }
            let labels = labels.iter().map(|(name, _)| name.clone()).collect();
            known.families.insert(name.into(), Family { kind, labels, series: HashSet::new() });
        }
        let Some(family) = known.families.get_mut(name) else { return Err(MetricError::TooMany) };
        if family.kind != kind || !family.labels.iter().eq(labels.iter().map(|(name, _)| name)) {
            return Err(MetricError::Mismatch);
        }
        let values: Box<[String]> = labels.iter().map(|(_, value)| value.clone()).collect();
        if values.is_empty() || family.series.contains(&values) {
            return Ok(true);
        }
        if known.series == self.limit {
            return Ok(false);
        }
        known.series += 1;
        family.series.insert(values);
        Ok(true)
    }
}

fn is_name(name: &str) -> bool {
    let is_start = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    name.len() <= NAME_BYTES
        && name.as_bytes().first().is_some_and(is_start)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn count(metrics: &PluginMetrics, name: &str, pairs: &[(&str, &str)]) -> Result<(), MetricError> {
        metrics.record("p", name, labels(pairs), MetricValue::Count(1))
    }

    #[test]
    fn sums_by_series() {
        let sink = MemoryMetrics::default();
        let metrics = PluginMetrics::new(Arc::new(sink.clone()), 10);
        assert_eq!(count(&metrics, "hits", &[("b", "1"), ("a", "2")]), Ok(()));
        assert_eq!(count(&metrics, "hits", &[("a", "2"), ("b", "1")]), Ok(()));
        assert_eq!(metrics.record("p", "level", Vec::new(), MetricValue::Gauge(0.5)), Ok(()));
        assert_eq!(sink.read("p", "hits", &[("a", "2"), ("b", "1")]), Some((2.0, 2)));
        assert_eq!(sink.read("p", "level", &[]), Some((0.5, 1)));
    }

    #[test]
    fn a_series_too_many_is_the_overflow() {
        let sink = MemoryMetrics::default();
        let metrics = PluginMetrics::new(Arc::new(sink.clone()), 2);
        for user in ["1", "2", "3", "4", "1"] {
            assert_eq!(count(&metrics, "hits", &[("user", user)]), Ok(()));
        }
        assert_eq!(sink.read("p", "hits", &[("user", "1")]), Some((2.0, 2)));
        assert_eq!(sink.read("p", "hits", &[("user", "3")]), None);
        assert_eq!(sink.read("p", "hits", &[("user", "overflow")]), Some((2.0, 2)));
    }

    #[test]
    fn refuses_what_is_no_metric() {
        let metrics = PluginMetrics::new(Arc::new(MemoryMetrics::default()), 10);
        for name in ["", "1a", "a-b", "a b", "ä", &"a".repeat(101)] {
            assert_eq!(count(&metrics, name, &[]), Err(MetricError::InvalidName), "{name}");
        }
        for pairs in [&[("a b", "")][..], &[("a", ""), ("a", "")], &[("a", &*"x".repeat(129))]] {
            assert_eq!(count(&metrics, "ok", pairs), Err(MetricError::InvalidLabel), "{pairs:?}");
        }
        assert_eq!(count(&metrics, "ok", &[("a", "1")]), Ok(()));
        assert_eq!(count(&metrics, "ok", &[("b", "1")]), Err(MetricError::Mismatch));
        assert_eq!(
            metrics.record("p", "ok", labels(&[("a", "1")]), MetricValue::Gauge(1.0)),
            Err(MetricError::Mismatch)
        );
        assert_eq!(
            metrics.record("p", "not", Vec::new(), MetricValue::Gauge(f64::NAN)),
            Err(MetricError::InvalidValue)
        );
        for number in 0..200 {
            let _ = count(&metrics, &format!("n{number}"), &[]);
        }
        assert_eq!(count(&metrics, "one_more", &[]), Err(MetricError::TooMany));
    }
}
