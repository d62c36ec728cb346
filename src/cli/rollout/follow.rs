//! Following a rollout of files until it ends, by looking at the mapping again and again.

use super::super::Exit;
use super::super::look::Looked;
use super::StatusArgs;
use super::shown::{Shot, Shown, WaveShot};
use crate::environment::{Ends, Explanation, Outlook};
use crate::standalone::{self, Unanswered};

/// Looks again and again. What may pass by itself is waited out; a rollout that only a person lets go on ends it.
pub(super) async fn follow(args: &StatusArgs, looked: &Looked) -> Exit {
    let mut shown = Shown::new();
    let mut seen = false;
    loop {
        match args.ask(looked).await {
            Ok(explanation) => {
                seen = true;
                let shot = shot(&explanation);
                shown.show(&shot);
                if let Some(exit) = shot.ended {
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
        tokio::time::sleep(args.pause()).await;
        if let Err(exit) = args.sources.look_again(looked).await {
            return exit;
        }
    }
}

fn shot(explanation: &Explanation) -> Shot {
    let waves = explanation.progress.iter().flat_map(|progress| &progress.waves);
    let waves = waves.map(|wave| WaveShot {
        name: wave.status.name.clone(),
        moved: wave.status.moved,
        tenants: wave.status.tenants,
        line: standalone::wave_line(wave),
    });
    Shot {
        waves: waves.collect(),
        words: last_words(explanation),
        ended: ended(explanation),
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
