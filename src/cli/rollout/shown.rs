//! How a rollout that is followed is shown: bars on a terminal, a line a change elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::Exit;

/// What is shown of a rollout at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shot {
    /// Its waves, in their order.
    pub(super) waves: Vec<WaveShot>,
    /// What it waits for, or has come to.
    pub(super) words: String,
    /// There is nothing more to follow.
    pub(super) ended: Option<Exit>,
}

/// One wave of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WaveShot {
    pub(super) name: String,
    pub(super) moved: u32,
    pub(super) tenants: u32,
    /// The whole line.
    pub(super) line: String,
}

pub(super) enum Shown {
    Bars(Box<Bars>),
    /// By what a line is about, the line as it was told last.
    Lines(BTreeMap<String, String>),
}

impl Shown {
    pub(super) fn new() -> Self {
        if std::io::stdout().is_terminal() {
            Self::Bars(Box::new(Bars::new()))
        } else {
            Self::Lines(BTreeMap::new())
        }
    }

    pub(super) fn show(&mut self, shot: &Shot) {
        match self {
            Self::Bars(bars) => bars.show(shot),
            Self::Lines(told) => {
                for (about, line) in lines(shot) {
                    if told.get(&about) != Some(&line) {
                        // Who reads may have gone, as `head` does; the exit code still tells.
                        let _ = writeln!(std::io::stdout(), "{line}");
                        told.insert(about, line);
                    }
                }
            }
        }
    }
}

/// What is said, each with what it is about.
fn lines(shot: &Shot) -> Vec<(String, String)> {
    let waves = shot.waves.iter();
    let mut lines: Vec<_> = waves
        .map(|wave| (format!("wave {}", wave.name), wave.line.clone()))
        .collect();
    lines.push((String::new(), shot.words.clone()));
    lines
}

/// A bar a wave, and a line under them.
pub(super) struct Bars {
    all: MultiProgress,
    waves: BTreeMap<String, ProgressBar>,
    words: ProgressBar,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let words = all.add(ProgressBar::new(0).with_style(style("{msg}")));
        Self {
            all,
            waves: BTreeMap::new(),
            words,
        }
    }

    fn show(&mut self, shot: &Shot) {
        for wave in &shot.waves {
            let bar = self.waves.entry(wave.name.clone()).or_insert_with(|| {
                let bar = ProgressBar::new(0).with_style(style("{prefix:<16!} [{bar:30}] {pos}/{len} {wide_msg}"));
                self.all.insert_before(&self.words, bar).with_prefix(wave.name.clone())
            });
            bar.set_length(wave.tenants.into());
            bar.set_position(wave.moved.into());
            let told = &wave.line;
            bar.set_message(told.split_once(": ").map_or(told.clone(), |(_, rest)| rest.to_owned()));
        }
        self.words.set_message(shot.words.clone());
        if shot.ended.is_some() {
            // What stands there stays.
            self.waves.values().chain([&self.words]).for_each(ProgressBar::abandon);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
