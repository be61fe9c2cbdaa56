//! Plots as inline SVG: lines over an axis, no scripts, nothing from elsewhere.

use std::fmt::Write as _;

use crate::report::number;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
/// For the numbers at the axes.
const LEFT: f64 = 70.0;
const BELOW: f64 = 36.0;
const ABOVE: f64 = 26.0;
const STEPS: u32 = 4;

/// Told apart by people who don't see all colours, too.
pub(super) const COLOURS: [&str; 10] = [
    "#0b6bcb", "#d1495b", "#2e933c", "#e08e0b", "#7b4fa3", "#1b9aaa", "#8a5a44", "#c13584", "#6b7280",
    "#111827",
];

pub(super) struct Plot<'p> {
    pub(super) title: &'p str,
    pub(super) across: &'p str,
    pub(super) lines: Vec<(String, Vec<(f64, f64)>)>,
    /// Names of places on the axis below; else four numbers.
    pub(super) marks: Vec<(f64, String)>,
    /// Values that differ a thousandfold are told apart.
    pub(super) logarithmic: bool,
}

impl Plot<'_> {
    pub(super) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
        let (far, high) = (most(|point| point.0).max(1e-9), most(|point| point.1).max(1e-9));
        let low = points()
            .map(|point| point.1)
            .filter(|value| *value > 0.0)
            .fold(high, f64::min);
        let low = if self.logarithmic {
            low.min(high / 10.0)
        } else {
            0.0
        };
        let x = |value: f64| LEFT + value / far * (WIDTH - LEFT - 10.0);
        let y = |value: f64| {
            let part = if self.logarithmic {
                (value.max(low) / low).ln() / (high / low).ln()
            } else {
                value / high
            };
            HEIGHT - BELOW - part * (HEIGHT - BELOW - ABOVE)
        };
        let mut svg = format!(
            "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{}</title>\
             <text class=\"title\" x=\"{LEFT}\" y=\"15\">{}</text>",
            escaped(self.title),
            escaped(self.title)
        );
        for step in 0..=STEPS {
            let part = f64::from(step) / f64::from(STEPS);
            let value = if self.logarithmic {
                low * (high / low).powf(part)
            } else {
                high * part
            };
            // What is written cannot fail: it is a string.
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{WIDTH}\"/>\
                 <text class=\"left\" x=\"{edge}\" y=\"{low:.1}\">{label}</text>",
                at = y(value),
                edge = LEFT - 6.0,
                low = y(value) + 4.0,
                label = number(value)
            );
        }
        for (at, label) in self.marks(far) {
            let _ = write!(
                svg,
                "<text class=\"below\" x=\"{:.1}\" y=\"{}\">{}</text>",
                x(at),
                HEIGHT - BELOW + 15.0,
                escaped(&label)
            );
        }
        let _ = write!(
            svg,
            "<text class=\"below\" x=\"{}\" y=\"{}\">{}</text>",
            f64::midpoint(LEFT, WIDTH),
            HEIGHT - 5.0,
            escaped(self.across)
        );
        for ((_, points), colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let place = |(at, value): &(f64, f64)| format!("{:.1},{:.1}", x(*at), y(*value));
            let places: Vec<_> = points.iter().map(place).collect();
            let _ = write!(
                svg,
                "<polyline stroke=\"{colour}\" points=\"{}\"/>",
                places.join(" ")
            );
        }
        svg.push_str("</svg><figcaption>");
        for ((name, _), colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let _ = write!(
                svg,
                "<span><i style=\"background:{colour}\"></i>{}</span> ",
                escaped(name)
            );
        }
        svg + "</figcaption></figure>"
    }

    fn marks(&self, far: f64) -> Vec<(f64, String)> {
        if !self.marks.is_empty() {
            let there = self.marks.iter().filter(|(at, _)| *at <= far);
            return there.cloned().collect();
        }
        let part = |step: u32| far * f64::from(step) / f64::from(STEPS);
        (0..=STEPS).map(|step| (part(step), number(part(step)))).collect()
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_holds_all_its_lines_within_its_frame_and_no_markup_of_others() {
        let plot = Plot {
            title: "a < b",
            across: "s",
            lines: vec![
                ("one".into(), vec![(0.0, 0.0), (2.0, 7.0)]),
                ("two".into(), vec![]),
            ],
            marks: Vec::new(),
            logarithmic: false,
        };
        let svg = plot.svg();
        assert!(svg.contains("a &lt; b") && svg.matches("<polyline").count() == 2);
        assert!(svg.contains("points=\"70.0,224.0 630.0,26.0\""), "{svg}");
    }
}
