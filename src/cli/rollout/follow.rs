//! Following a rollout until it ends: bars on a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::Exit;
use super::super::look::Looked;
use super::StatusArgs;
use crate::environment::{Ends, Explanation, Outlook};
use crate::standalone::{self, Unanswered};

/// Looks again and again. What may pass by itself is waited out; a rollout that only a person lets go on ends it.
pub(super) async fn follow(args: &StatusArgs, looked: &Looked) -> Exit {
    let mut shown = if std::io::stdout().is_terminal() {
        Shown::Bars(Box::new(Bars::new()))
    } else {
        Shown::Lines(BTreeMap::new())
    };
    let mut seen = false;
    loop {
        match args.ask(looked).await {
            Ok(explanation) => {
                seen = true;
                shown.show(&explanation);
                if let Some(exit) = ended(&explanation) {
                    return exit;
                }
            }
            // What was well once may be so again.
            Err(Unanswered::Failed(failure)) if seen && !failure.stalled => {
                eprintln!(
                    "wavepin: {}: {}; looking again",
                    failure.reason.as_str(),
                    failure.message
                );
            }
            Err(why) => return looked.unanswered(&why),
        }
        tokio::time::sleep(args.interval.into()).await;
        if let Err(exit) = args.sources.look_again(looked).await {
            return exit;
        }
    }
}

/// Whether there is nothing more to follow.
fn ended(explanation: &Explanation) -> Option<Exit> {
    match explanation.outlook {
        Outlook::AsWished => Some(Exit::Done),
        Outlook::Waits if explanation.ends().is_some_and(Ends::by_itself) => None,
        Outlook::Waits => Some(Exit::Waiting),
    }
}

enum Shown {
    Bars(Box<Bars>),
    /// By what a line is about, the line as it was told last.
    Lines(BTreeMap<String, String>),
}

impl Shown {
    fn show(&mut self, explanation: &Explanation) {
        match self {
            Self::Bars(bars) => bars.show(explanation),
            Self::Lines(told) => {
                for (about, line) in lines(explanation) {
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
fn lines(explanation: &Explanation) -> Vec<(String, String)> {
    let waves = explanation.progress.iter().flat_map(|progress| &progress.waves);
    let mut lines: Vec<_> = waves
        .map(|wave| (format!("wave {}", wave.status.name), standalone::wave_line(wave)))
        .collect();
    lines.push((String::new(), last_words(explanation)));
    lines
}

/// What it waits for, and what ends that. Without when somebody looks again, which moves on with every look.
fn last_words(explanation: &Explanation) -> String {
    let Some(cause) = explanation.causes.last() else {
        return explanation.about.clone();
    };
    let ends = cause.ends.as_ref().filter(|_| explanation.outlook == Outlook::Waits);
    let ends = ends.map(|ends| {
        let ends = Ends {
            looks_again_by: None,
            ..ends.clone()
        };
        format!(" (ends {})", ends.text())
    });
    format!("{}{}", cause.text(), ends.unwrap_or_default())
}

/// A bar a wave, and a line under them.
struct Bars {
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

    fn show(&mut self, explanation: &Explanation) {
        for wave in explanation.progress.iter().flat_map(|progress| &progress.waves) {
            let status = &wave.status;
            let bar = self.waves.entry(status.name.clone()).or_insert_with(|| {
                let bar = ProgressBar::new(0).with_style(style("{prefix:<16!} [{bar:30}] {pos}/{len} {wide_msg}"));
                self.all
                    .insert_before(&self.words, bar)
                    .with_prefix(status.name.clone())
            });
            bar.set_length(status.tenants.into());
            bar.set_position(status.moved.into());
            let told = standalone::wave_line(wave);
            bar.set_message(told.split_once(": ").map_or(told.clone(), |(_, rest)| rest.to_owned()));
        }
        self.words.set_message(last_words(explanation));
        if ended(explanation).is_some() {
            // What stands there stays.
            self.waves.values().chain([&self.words]).for_each(ProgressBar::abandon);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
