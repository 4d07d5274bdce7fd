//! Candidates take turns, A B A B …, so that whatever the machine does beside happens to all of them.

use anyhow::{Context as _, ensure};

/// One candidate: measures itself once.
pub(crate) struct Candidate<'a> {
    pub(crate) name: String,
    is_limit: bool,
    measure: Box<dyn FnMut() -> anyhow::Result<f64> + 'a>,
}

/// Whether more or less of the unit is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// What came out: a figure for each candidate and round, ours first.
pub(crate) struct Figures {
    pub(crate) rows: Vec<Row>,
    /// Which row ours is divided by; `None` where ours is the result itself.
    pub(crate) reference: Option<usize>,
    pub(crate) remarks: Vec<String>,
    /// What was wanted beside the figure does not hold.
    pub(crate) is_broken: bool,
}

/// The figures of one candidate.
pub(crate) struct Row {
    pub(crate) name: String,
    is_limit: bool,
    pub(crate) figures: Vec<f64>,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(name: impl Into<String>, measure: impl FnMut() -> anyhow::Result<f64> + 'a) -> Self {
        Self { name: name.into(), is_limit: false, measure: Box::new(measure) }
    }

    /// A part of our work that cannot be left out, done by itself, as a rate. It is no reference.
    pub(crate) fn limit(name: &str, measure: impl FnMut() -> anyhow::Result<f64> + 'a) -> Self {
        Self { is_limit: true, ..Self::new(format!("limit: {name}"), measure) }
    }
}

/// Measures `ours` and `others` in turn. Of several others the best is the reference.
pub(crate) fn compete(
    rounds: usize,
    better: Better,
    ours: Candidate<'_>,
    others: Vec<Candidate<'_>>,
) -> anyhow::Result<Figures> {
    let mut candidates = vec![ours];
    candidates.extend(others);
    let mut rows: Vec<Row> = candidates.iter().map(Row::of).collect();
    for _ in 0..rounds {
        for (candidate, row) in candidates.iter_mut().zip(&mut rows) {
            let figure = (candidate.measure)().with_context(|| candidate.name.clone())?;
            ensure!(figure.is_finite() && figure > 0.0, "{}: {figure} is no figure", candidate.name);
            row.figures.push(figure);
        }
    }
    let best = |left: &usize, right: &usize| {
        let order = rows[*left].median().total_cmp(&rows[*right].median());
        if better == Better::More { order } else { order.reverse() }
    };
    let reference = (1..rows.len()).filter(|row| !rows[*row].is_limit).max_by(best);
    Ok(Figures { rows, reference, remarks: Vec::new(), is_broken: false })
}

impl Figures {
    /// Ours over the reference, round by round; ours itself where there is no reference.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        self.ratios_of(&self.rows[0])
    }

    /// How far a limit came in its best round, where one was measured: what is short of that may be noise.
    pub(crate) fn limit(&self) -> Option<f64> {
        self.rows.iter().find(|row| row.is_limit).map(|row| extremes(&self.ratios_of(row)).1)
    }

    fn ratios_of(&self, row: &Row) -> Vec<f64> {
        match self.reference {
            None => row.figures.clone(),
            Some(reference) => {
                row.figures.iter().zip(&self.rows[reference].figures).map(|(one, other)| one / other).collect()
            }
        }
    }

    pub(crate) fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }

    /// Something that was wanted beside the figure does not hold: whatever that is, the bar is short.
    pub(crate) fn broken(self, remark: impl Into<String>) -> Self {
        Self { is_broken: true, ..self.remark(remark) }
    }
}

impl Row {
    fn of(candidate: &Candidate<'_>) -> Self {
        Self { name: candidate.name.clone(), is_limit: candidate.is_limit, figures: Vec::new() }
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.figures)
    }
}

/// The middle one; of an even number the mean of the two in the middle.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// The smallest and the largest.
pub(crate) fn extremes(figures: &[f64]) -> (f64, f64) {
    figures.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), figure| (low.min(*figure), high.max(*figure)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_the_others_is_the_reference() {
        let fixed = |name: &str, figure: f64| Candidate::new(name, move || Ok(figure));
        let check = |better, expected| {
            let others = vec![fixed("slow", 2.0), fixed("fast", 4.0)];
            let figures = compete(3, better, fixed("ours", 8.0), others).unwrap();
            assert_eq!(median(&figures.ratios()), expected);
        };
        check(Better::More, 2.0);
        check(Better::Less, 4.0);
        assert_eq!(compete(1, Better::Less, fixed("ours", 8.0), Vec::new()).unwrap().ratios(), [8.0]);
    }

    #[test]
    fn a_limit_is_no_reference() {
        let fixed = |name: &str, figure: f64| Candidate::new(name, move || Ok(figure));
        let others = vec![fixed("other", 4.0), Candidate::limit("all that can be", || Ok(12.0))];
        let figures = compete(3, Better::More, fixed("ours", 8.0), others).unwrap();
        assert_eq!((median(&figures.ratios()), figures.limit()), (2.0, Some(3.0)));
        assert_eq!(compete(1, Better::More, fixed("ours", 8.0), Vec::new()).unwrap().limit(), None);
    }

    #[test]
    fn the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(extremes(&[3.0, 1.0, 2.0]), (1.0, 3.0));
    }
}
