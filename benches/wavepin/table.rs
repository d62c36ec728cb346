//! What is printed at the end.

use std::fmt;

/// Rows under a heading; plain text, as wide as it needs to be.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<[String; 5]>);

/// The highest ratio that is good.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    /// Reported, not promised.
    None,
}

impl Table {
    /// A measured value next to what it is held against, and how many times that it is.
    pub(crate) fn ratio(&mut self, what: &str, measured: String, against: String, ratio: f64, goal: Goal) {
        let goal = match goal {
            // Two digits are shown, so two digits are judged.
            Goal::AtMost(most) if (ratio * 100.0).round() <= most * 100.0 => format!("at most {most:.2}: met"),
            Goal::AtMost(most) => format!("at most {most:.2}: MISSED"),
            Goal::None => "-".to_owned(),
        };
        self.0
            .push([what.to_owned(), measured, against, format!("{ratio:.2}"), goal]);
    }

    /// A value that is held against nothing.
    pub(crate) fn value(&mut self, what: &str, measured: String) {
        let none = || "-".to_owned();
        self.0.push([what.to_owned(), measured, none(), none(), none()]);
    }

    /// A number that must be zero.
    pub(crate) fn none(&mut self, what: &str, count: usize) {
        let goal = if count == 0 { "0: met" } else { "0: MISSED" };
        let none = || "-".to_owned();
        self.0
            .push([what.to_owned(), count.to_string(), none(), none(), goal.to_owned()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = ["what", "measured", "against", "ratio", "goal"].map(str::to_owned);
        let rows = || std::iter::once(&heading).chain(&self.0);
        let width = |column: usize| rows().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let [what, measured, against, ratio] = [width(0), width(1), width(2), width(3)];
        for row in rows() {
            let line = format!(
                "{:<what$}  {:<measured$}  {:<against$}  {:>ratio$}  {}",
                row[0], row[1], row[2], row[3], row[4]
            );
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
