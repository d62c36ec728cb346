//! How a rollout would go, as people read it.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::environment::{Forecast, WaveForecast};

/// The lines of a rollout that has something ahead; nothing of one that has not.
pub(super) fn lines(forecast: &Forecast, text: &mut String) {
    if !forecast.has_work() {
        return;
    }
    let moves: u32 = forecast.waves.iter().map(|wave| wave.moves).sum();
    let ends = match forecast.ends_at {
        Some(at) => format!("ends at the earliest at {}", time(at)),
        None => endless(forecast).to_owned(),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "VersionRollout/{}: {moves} tenants move to version {}, {ends}",
        forecast.rollout, forecast.version
    );
    for wave in &forecast.waves {
        let _ = writeln!(text, "  {}", line(wave, endless(forecast)));
    }
    for said in [&forecast.presumed, &forecast.stops].into_iter().flatten() {
        let _ = writeln!(text, "  {said}");
    }
    if forecast.left_out > 0 {
        let named = forecast.left_out_tenants.join(", ");
        let more = usize::try_from(forecast.left_out).unwrap_or(usize::MAX) - forecast.left_out_tenants.len();
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        let _ = writeln!(text, "  left out now: {named}{more}");
    }
}

/// What is said where no end is known.
const fn endless(forecast: &Forecast) -> &'static str {
    match forecast.is_cut {
        true => "its end is not counted",
        false => "does not end by itself",
    }
}

fn line(wave: &WaveForecast, endless: &str) -> String {
    let batches = match wave.batches {
        0 | 1 => String::new(),
        batches => format!(" in {batches} batches"),
    };
    let begins = wave
        .moves_at
        .map_or_else(String::new, |at| format!(" from {}", time(at)));
    let ends = wave
        .ends_at
        .map_or_else(|| endless.to_owned(), |at| format!("ends {}", time(at)));
    format!(
        "wave {}: {} of {} move{batches}{begins}, {} left out, {ends}",
        wave.name, wave.moves, wave.tenants, wave.left_out
    )
}

fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}
