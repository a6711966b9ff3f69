//! Samples of the memory of a process and its descendants during a run.

use std::time::Duration;

use record::{MemoryRecord, TimelinePoint};

use crate::{Memory, ProcessTree, Stamp, Timeline};

/// The shortest interval of samples, which gives a run of a quarter of a second enough points for a curve.
const SAMPLE: Duration = Duration::from_millis(2);

/// The longest interval that the timeline imposes. In a long run, the timeline has no room for points at shorter
/// intervals. For a single process, more samples would find no higher peak, since the kernel keeps the peak.
const LONG: Duration = Duration::from_millis(20);

/// The longest interval of samples.
const SLOWEST: Duration = Duration::from_secs(1);

/// The shortest interval of searches for descendants.
const LOOK: Duration = Duration::from_millis(100);

/// The mean time from one sample to the next, as a multiple of the time that a sample takes: reading the memory of a
/// large tree takes milliseconds.
const COST: u32 = 250;

/// The multiple in place of [`COST`] until the timeline is full for the first time. It gives a run of a quarter of a
/// second a curve, and a run of a few seconds enough points for the interval of its slope. Together, these samples take
/// 5 ms for a process, and half a second for a tree of 20.
const COST_AT_FIRST: u32 = 20;

/// The least time from one search for descendants to the next, as a multiple of the time that a search takes, once the
/// timeline is full. Samples and searches together then take 0.65 % of a core. The rest of 1 % is for the untimed costs
/// of falling asleep and waking.
const COST_OF_LOOK: u32 = 400;

/// The number of latest samples that are timed.
const RECENT: usize = 9;

/// A series of samples of a tree of processes, against the progress of a run.
#[derive(Debug, Default)]
pub struct Sampler {
    timeline: Timeline,
    /// The memory before the first progress, or at the first sample after it.
    baseline: Option<Memory>,
    began: Option<Stamp>,
    latest: Option<Memory>,
    looked: Option<Stamp>,
    looks: Costs,
    samples: Costs,
}

/// The durations of the latest actions of one kind.
#[derive(Debug, Default)]
struct Costs {
    latest: [Duration; RECENT],
    count: usize,
}

impl Costs {
    fn add(&mut self, cost: Duration) {
        if let Some(latest) = self.latest.get_mut(self.count % RECENT) {
            *latest = cost;
        }
        self.count += 1;
    }

    /// Returns the shortest duration. On a busy machine, longer ones were interrupted.
    fn least(&self) -> Duration {
        self.latest.iter().take(self.count).min().copied().unwrap_or_default()
    }

    /// Returns the median duration, or the higher of the two middle ones; zero before the first action. The shortest
    /// would be too low: after a pause, an action finds cold caches and takes longer.
    fn median(&self) -> Duration {
        let mut latest = self.latest;
        let latest = latest.get_mut(..self.count.min(RECENT)).unwrap_or_default();
        latest.sort_unstable();
        latest.get(latest.len() / 2).copied().unwrap_or_default()
    }
}

impl Sampler {
    /// Calls `look`, which searches for new descendants, if the next search is due.
    pub fn look(&mut self, look: impl FnOnce()) {
        let now = Stamp::now();
        if self.looked.is_some_and(|looked| now.since(looked) < self.between_looks()) {
            return;
        }
        look();
        self.looked = Some(now);
        self.looks.add(now.elapsed());
    }

    /// Returns the time from one search for descendants to the next.
    fn between_looks(&self) -> Duration {
        let interval = match self.timeline.step().is_zero() {
            true => self.looks.least(),
            false => self.looks.median().saturating_mul(COST_OF_LOOK),
        };
        interval.clamp(LOOK, SLOWEST)
    }

    /// Takes a sample when `done` bytes of body have passed. Returns the time until the next sample is due. A sample
    /// before the first byte is the baseline.
    pub fn sample(&mut self, tree: &mut ProcessTree, done: u64) -> Duration {
        let now = Stamp::now();
        self.latest = tree.read();
        self.samples.add(now.elapsed());
        if let Some(memory) = self.latest {
            if done == 0 || self.baseline.is_none() {
                self.baseline = Some(memory);
            }
            if done > 0 {
                let began = *self.began.get_or_insert(now);
                self.timeline.sample(now.since(began), memory, done);
            }
        }
        uneven(self.between_samples(), self.samples.count)
    }

    /// Returns the mean time from one sample to the next.
    fn between_samples(&self) -> Duration {
        let step = self.timeline.step();
        let interval = match step.is_zero() {
            true => self.samples.least().saturating_mul(COST_AT_FIRST),
            false => self.samples.median().saturating_mul(COST),
        };
        interval.clamp(step.clamp(SAMPLE, LONG), SLOWEST)
    }

    /// Returns the latest sample; `None` if no process was alive.
    pub fn latest(&self) -> Option<Memory> {
        self.latest
    }

    /// Returns the time of the first sample with progress; `None` before that sample.
    pub fn began(&self) -> Option<Stamp> {
        self.began
    }

    /// Returns the samples with body bytes in proportion to time, up to `total`, for a program whose progress is
    /// unknown.
    pub fn points_by_time(&self, total: u64) -> Vec<TimelinePoint> {
        let last = self.timeline.points().last();
        let whole = last.map_or(1.0, |last| last.seconds.max(f64::MIN_POSITIVE));
        self.points_at(|seconds| (total as f64 * (seconds / whole)) as u64)
    }

    /// Returns the samples with the body bytes at the time of each, in seconds since the first sample with progress.
    pub fn points_at(&self, bytes: impl Fn(f64) -> u64) -> Vec<TimelinePoint> {
        let placed = |point: &TimelinePoint| TimelinePoint { body_bytes: bytes(point.seconds), ..*point };
        self.timeline.points().iter().map(placed).collect()
    }

    /// Returns the memory of the run, for a record.
    pub fn record(&self, tree: &ProcessTree) -> MemoryRecord {
        let mut memory = MemoryRecord::default();
        memory.baseline_rss_bytes = self.baseline.map(|memory| memory.rss_bytes);
        memory.baseline_anon_bytes = self.baseline.map(|memory| memory.anon_bytes);
        memory.peak_rss_bytes = tree.peak_rss_bytes().max(memory.baseline_rss_bytes);
        memory.peak_is_of_samples = Some(tree.is_peak_of_readings());
        memory.peak_anon_bytes = self.timeline.peak_anon_bytes().max(memory.baseline_anon_bytes);
        memory.timeline = self.timeline.points().to_vec();
        memory
    }
}

/// Returns the time after the sample `number`: a pseudo-random time from 0.5 to 1.5 times `mean`. Samples at even
/// intervals can keep step with a program that allocates and releases memory periodically. Dozens of samples in a row
/// would then see the same point of the period.
fn uneven(mean: Duration, number: usize) -> Duration {
    // SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) computes any value of its sequence without state.
    let mut bits = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let share = (bits ^ bits >> 31) as f64 / u64::MAX as f64;
    mean.mul_f64(0.5 + share)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn looks_and_samples_of_a_long_run_together_take_less_than_a_hundredth_of_the_time() {
        let mut tree = ProcessTree::of(std::process::id()).unwrap();
        let mut sampler = Sampler::default();
        let mut count = 0;
        for _ in 0..3 {
            sampler.look(|| count += 1);
        }
        assert_eq!(
            (count, sampler.between_looks()),
            (1, LOOK),
            "the first look is due, and none for a while"
        );
        sampler.looks.latest = [Duration::from_millis(2); RECENT];
        assert_eq!(sampler.between_looks(), LOOK, "often at first");
        let mut done = 0;
        while sampler.timeline.step().is_zero() {
            done += 1;
            sampler.sample(&mut tree, done);
        }
        sampler.samples.latest = [Duration::from_millis(1); RECENT];
        let shares =
            1e-3 / sampler.between_samples().as_secs_f64() + 2e-3 / sampler.between_looks().as_secs_f64();
        assert!(shares < 0.01, "{shares}");
        sampler.looks.latest = [Duration::from_secs(1); RECENT];
        assert_eq!(sampler.between_looks(), SLOWEST, "never longer");
    }

    #[test]
    fn samples_without_progress_are_the_baseline_and_later_ones_the_course() {
        let mut tree = ProcessTree::of(std::process::id()).unwrap();
        let mut sampler = Sampler::default();
        assert!(sampler.sample(&mut tree, 0) >= SAMPLE / 2 && sampler.began().is_none());
        for done in 1..=3 {
            std::thread::sleep(Duration::from_millis(2));
            sampler.sample(&mut tree, done);
        }
        let record = sampler.record(&tree);
        assert!(record.baseline_rss_bytes <= record.peak_rss_bytes && record.baseline_rss_bytes.is_some());
        let done = |points: &[TimelinePoint]| points.iter().map(|point| point.body_bytes).collect::<Vec<_>>();
        assert_eq!(done(&record.timeline), [1, 2, 3]);
        for total in 1000..2000 {
            let by_time = done(&sampler.points_by_time(total));
            assert!(by_time[0] == 0 && by_time[1] > 0 && by_time[2] == total, "{by_time:?} of {total}");
        }
    }

    #[test]
    fn samples_keep_step_with_no_program() {
        let times: Vec<f64> = (0..256)
            .scan(0.0, |at, number| {
                *at += 1e3 * uneven(Duration::from_millis(5), number).as_secs_f64();
                Some(*at)
            })
            .collect();
        assert!((1200.0..1360.0).contains(&times[255]), "{times:?}");
        for tenths in 8..80 {
            let period = f64::from(tenths) / 10.0;
            // The memory is high for two fifths of each period.
            let high: Vec<bool> = times.iter().map(|at| (at / period).fract() < 0.4).collect();
            let longest = high.split(|is_high| !is_high).map(<[bool]>::len).max();
            assert!(longest < Some(10), "{longest:?} samples in a row with a period of {period} ms");
        }
    }
}
