//! The plot: each bar's result as a share of what was wanted, with the spread of its rounds.

use crate::bar::Want;
use crate::contest::{extremes, median};
use crate::report::{Measured, short};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 170.0;
const LINE: f64 = 26.0;
const TOP: f64 = 46.0;

/// Where what was wanted stands, and how much room is right of it: the logarithm of the share, from a quarter to four times.
const EDGE: f64 = 4.0;

/// An SVG of its own colours, so that it can be read on any ground.
pub(crate) fn draw(all: &[Measured]) -> String {
    let drawn: Vec<&Measured> = all.iter().filter(|measured| measured.figures().is_some()).collect();
    let lines = f64::from(u32::try_from(drawn.len()).unwrap_or_default());
    let height = TOP + LINE * lines + 12.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"18\">How far \
         each bar came: right of the line is better than wanted. Logarithmic, a quarter to four times.</text>\n"
    );
    let middle = place(1.0);
    let bottom = height - 8.0;
    svg.push_str(&format!(
        "<line x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#333\"/>\n"
    ));
    for (line, measured) in drawn.iter().enumerate() {
        let y = TOP + LINE * f64::from(u32::try_from(line).unwrap_or_default()) + 6.0;
        svg.push_str(&row(measured, y));
    }
    svg.push_str("</svg>\n");
    svg
}

fn row(measured: &Measured, y: f64) -> String {
    let Some(figures) = measured.figures() else { return String::new() };
    let ratios = figures.ratios();
    let (ratio, (low, high)) = (median(&ratios), extremes(&ratios));
    let want = measured.bar.want;
    let at = |ratio: f64| {
        place(match want {
            Want::AtLeast(bound) => ratio / bound,
            Want::AtMost(bound) => bound / ratio,
        })
    };
    let colour = if measured.is_met(figures) { "#2a8f5b" } else { "#c7622b" };
    let (from, to) = (at(ratio).min(place(1.0)), at(ratio).max(place(1.0)));
    let (left, right) = (at(low).min(at(high)), at(low).max(at(high)));
    let middle = y + 7.0;
    format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"14\" fill=\"{colour}\"/>\n\
         <line x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#000\" stroke-width=\"1.5\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#333\">{} (want {})</text>\n",
        LEFT - 8.0,
        y + 11.0,
        measured.bar.name,
        (to - from).max(1.0),
        WIDTH - 150.0,
        y + 11.0,
        short(ratio),
        match want {
            Want::AtLeast(_) => format!("≥ {}", want.bound()),
            Want::AtMost(_) => format!("≤ {}", want.bound()),
        },
    )
}

/// Where a share of what was wanted stands.
fn place(share: f64) -> f64 {
    let room = WIDTH - LEFT - 160.0;
    let part = (share.clamp(1.0 / EDGE, EDGE).log(EDGE) + 1.0) / 2.0;
    LEFT + room * part
}
