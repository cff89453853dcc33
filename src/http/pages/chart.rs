//! A figure over time as inline SVG. Knows no time and no unit: what belongs to them is written beside it.

use std::fmt::Write;

/// How large a chart is drawn; the page's style sheet scales it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// In a row of a table.
    Small,
    /// On its own.
    Large,
}

impl Size {
    /// Width and height of the drawing; also the most points that are drawn.
    fn of_drawing(self) -> (usize, usize) {
        match self {
            Self::Small => (60, 20),
            Self::Large => (240, 60),
        }
    }
}

/// The chart of `values`, the newest last, from zero to their greatest; what is no number is a gap. Nothing where there
/// is nothing to draw. `label` says what it shows, for who cannot see it.
#[allow(clippy::cast_precision_loss, reason = "coordinates with one decimal")]
pub(super) fn chart(values: &[f32], size: Size, label: &str) -> String {
    let (width, height) = size.of_drawing();
    let points = fewer(values, width);
    let greatest = greatest(&points);
    if points.len() < 2 || points.iter().all(|point| point.is_nan()) {
        return String::new();
    }
    let step = width as f32 / (points.len() - 1) as f32;
    let full = height as f32 - 2.0;
    let (mut line, mut area) = (String::new(), String::new());
    // Writing to a String cannot fail, here and below.
    for (first, run) in runs(&points) {
        let x = |index: usize| (first + index) as f32 * step;
        let y = |value: f32| 1.0 + full - if greatest > 0.0 { value / greatest * full } else { 0.0 };
        let _ = write!(area, "M{:.1} {height}", x(0));
        for (index, value) in run.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let _ = write!(line, "{command}{:.1} {:.1}", x(index), y(*value));
            let _ = write!(area, "L{:.1} {:.1}", x(index), y(*value));
        }
        if let [only] = run {
            // A line of one point would not be seen.
            let _ = write!(line, "L{:.1} {:.1}", x(0) + 0.5, y(*only));
        }
        let _ = write!(area, "L{:.1} {height}z", x(run.len() - 1));
    }
    let class = if size == Size::Small { "chart" } else { "chart large" };
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{label}\"><path class=\"area\" d=\"{area}\"/><path class=\"line\" d=\"{line}\"/></svg>"
    )
}

/// The greatest of `values` that is a number; zero where there is none.
pub(super) fn greatest(values: &[f32]) -> f32 {
    values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f32::max)
}

/// At most `most` points, each the greatest of those it stands for: a peak is never lost.
fn fewer(values: &[f32], most: usize) -> Vec<f32> {
    let each = values.len().div_ceil(most.max(1)).max(1);
    // From the end, so that the newest point stands for as many as the others.
    let mut points: Vec<f32> = values
        .rchunks(each)
        .map(|chunk| chunk.iter().copied().filter(|value| value.is_finite()).fold(f32::NAN, f32::max))
        .collect();
    points.reverse();
    points
}

/// The stretches without a gap, each with the index of its first point.
fn runs(points: &[f32]) -> impl Iterator<Item = (usize, &[f32])> {
    let mut at = 0;
    points.chunk_by(|one, other| one.is_nan() == other.is_nan()).filter_map(move |run| {
        let first = at;
        at += run.len();
        run.first().is_some_and(|point| !point.is_nan()).then_some((first, run))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_survives_and_a_gap_stays_one() {
        let mut values = vec![1.0; 600];
        values[123] = 50.0;
        assert_eq!(greatest(&fewer(&values, 60)), 50.0);
        assert_eq!(fewer(&values, 60).len(), 60);
        let points = [1.0, f32::NAN, f32::NAN, 2.0, 3.0];
        let found: Vec<(usize, usize)> = runs(&points).map(|(first, run)| (first, run.len())).collect();
        assert_eq!(found, [(0, 1), (3, 2)]);
        assert_eq!(chart(&points, Size::Small, "lag").matches('M').count(), 4, "two stretches, line and area each");
    }

    #[test]
    fn what_cannot_be_drawn_is_not() {
        for (rule, values) in
            [("nothing", vec![]), ("one point is no course", vec![1.0]), ("nothing known", vec![f32::NAN; 5])]
        {
            assert_eq!(chart(&values, Size::Large, "lag"), "", "{rule}");
        }
        for values in [vec![0.0, 0.0], vec![f32::INFINITY, 1.0, 2.0], vec![f32::MAX, 0.0]] {
            let drawn = chart(&values, Size::Large, "lag");
            assert!(drawn.starts_with("<svg") && !drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }
}
