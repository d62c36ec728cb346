//! The arithmetic of a budget: when there is room, and what a 429 does to a key. Pure, so that the window in the
//! database and the one in memory keep the same rules.

use std::time::Duration;

/// A time, counted from wherever the keeper of the window counts from.
pub type Moment = Duration;

/// The longest pause that a server's `Retry-After` may ask for; a longer one is cut to this.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How far away a pause may end at most.
pub const FURTHEST_PAUSE: Duration = Duration::from_secs(375);

/// The server asked for fewer requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// For how long, where it says so.
    pub retry_after: Option<Duration>,
    /// Any number: it makes a pause up to a quarter longer, so that several programs with one key do not come back
    /// together.
    pub chance: u8,
}

/// What is known of a key besides its places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// When the last pause began.
    pub paused_at: Option<Moment>,
    /// When it ends, or ended.
    pub paused_until: Option<Moment>,
    /// Pauses in a row without an accepted request.
    pub strikes: u32,
    /// While the key comes back after a pause: how many requests may be without an answer at once.
    pub at_once: Option<u32>,
}

/// The places of a key that are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Places {
    /// How many.
    pub live: usize,
    /// The lowest rate that any of them was taken with.
    pub lowest: Option<u32>,
    /// How many of them were taken since the last pause began and have no answer yet.
    pub unanswered: usize,
}

/// Whether there is room for one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Free,
    /// Every request of the key waits so long.
    Paused(Duration),
    /// A request that went ahead after the pause must be answered first.
    Answer,
    /// The window is full: so many places besides the first must come free.
    Full {
        /// How many.
        besides: usize,
    },
}

impl Places {
    /// How many requests the window holds for one who asks for this rate: the lowest rate wins, and one is the least.
    #[must_use]
    pub fn rate(&self, asked: u32) -> u32 {
        self.lowest.map_or(asked, |lowest| lowest.min(asked)).max(1)
    }
}

impl Standing {
    /// How long the pause still lasts. One that ends further away than any pause may last shows that the clock was set
    /// back meanwhile, and counts for nothing: the server speaks again if it must.
    #[must_use]
    pub fn pause(&self, now: Moment) -> Option<Duration> {
        let left = self.paused_until?.checked_sub(now)?;
        (!left.is_zero() && left <= FURTHEST_PAUSE).then_some(left)
    }

    /// Whether there is room beside these places.
    #[must_use]
    pub fn room(&self, places: &Places, asked: u32, now: Moment) -> Room {
        if let Some(left) = self.pause(now) {
            return Room::Paused(left);
        }
        if self.at_once.is_some_and(|most| places.unanswered >= most as usize) {
            return Room::Answer;
        }
        match places.live.checked_sub(places.rate(asked) as usize) {
            None => Room::Free,
            Some(besides) => Room::Full { besides },
        }
    }

    /// A 429 to a request whose place was taken then. Every request of the key waits as long as the server says, or else
    /// a pause that grows from a twelfth of the window to the whole. Answers to requests that were sent before an
    /// earlier pause tell nothing new and do not make it grow.
    pub fn throttled(&mut self, taken_at: Moment, now: Moment, window: Duration, throttle: Throttle) {
        let news = self.is_news(taken_at, now);
        if news {
            self.strikes = self.strikes.saturating_add(1);
            self.paused_at = Some(now);
            // One goes ahead alone.
            self.at_once = Some(1);
        }
        let pause = match throttle.retry_after {
            Some(asked) => lengthened(asked.min(LONGEST_PAUSE), throttle.chance),
            None if news => lengthened(grown(self.strikes, window), throttle.chance),
            None => Duration::ZERO,
        };
        let left = self.pause(now).unwrap_or_default();
        self.paused_until = Some(now + pause.max(left));
    }

    /// The server took a request whose place was taken then. Each that goes through lets one more go at once, until that
    /// is the whole budget.
    pub fn accepted(&mut self, taken_at: Moment, now: Moment, rate: u32) {
        if !self.is_news(taken_at, now) {
            return;
        }
        self.strikes = 0;
        self.at_once = self.at_once.map(|most| most.saturating_add(1)).filter(|it| *it < rate);
    }

    /// Whether it tells of the time since the last pause. A pause that began in the future shows that the clock was set
    /// back.
    fn is_news(&self, taken_at: Moment, now: Moment) -> bool {
        self.paused_at
            .is_none_or(|paused_at| paused_at < taken_at || paused_at > now)
    }
}

/// A twelfth of the window at the first strike, doubled at each further one up to the window.
fn grown(strikes: u32, window: Duration) -> Duration {
    let doublings = strikes.saturating_sub(1).min(8);
    (window / 12 * 2_u32.pow(doublings)).min(window)
}

fn lengthened(pause: Duration, chance: u8) -> Duration {
    pause + pause / 1024 * u32::from(chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn silent() -> Throttle {
        Throttle {
            retry_after: None,
            chance: 0,
        }
    }

    #[test]
    fn pauses_grow_to_the_window_and_one_burst_of_429s_is_one_strike() {
        let mut standing = Standing::default();
        let mut now = at(1000);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let taken_at = now;
            now += at(1);
            for _ in 0..5 {
                standing.throttled(taken_at, now, WINDOW, silent());
            }
            pauses.push(standing.pause(now).unwrap().as_secs());
            now = standing.paused_until.unwrap() + at(1);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn a_server_may_not_stop_the_work_for_long_and_chance_makes_a_pause_a_quarter_longer_at_most() {
        let mut standing = Standing::default();
        let throttle = |retry_after, chance| Throttle { retry_after, chance };
        standing.throttled(at(0), at(1), WINDOW, throttle(Some(at(86_400)), 0));
        assert_eq!(standing.pause(at(1)), Some(LONGEST_PAUSE));
        let mut standing = Standing::default();
        standing.throttled(at(0), at(1), WINDOW, throttle(Some(at(100)), u8::MAX));
        let pause = standing.pause(at(1)).unwrap();
        assert!(pause > at(124) && pause < at(125), "{pause:?}");
    }

    #[test]
    fn no_pause_ends_further_away_than_any_may() {
        let mut standing = Standing::default();
        let throttle = Throttle {
            retry_after: Some(Duration::MAX),
            chance: u8::MAX,
        };
        standing.throttled(at(0), at(1), WINDOW, throttle);
        let pause = standing.pause(at(1)).unwrap();
        assert!(pause <= FURTHEST_PAUSE && pause > LONGEST_PAUSE, "{pause:?}");
    }

    #[test]
    fn after_a_pause_one_goes_alone_and_each_answer_lets_one_more_go_at_once() {
        let mut standing = Standing::default();
        standing.throttled(at(1), at(2), WINDOW, silent());
        let waiting = |unanswered| Places {
            live: unanswered,
            lowest: Some(4),
            unanswered,
        };
        assert_eq!(standing.room(&waiting(0), 4, at(3)), Room::Paused(at(4)));
        assert_eq!(standing.room(&waiting(0), 4, at(7)), Room::Free);
        assert_eq!(standing.room(&waiting(1), 4, at(7)), Room::Answer);
        standing.accepted(at(1), at(7), 4);
        assert_eq!(
            standing.room(&waiting(1), 4, at(7)),
            Room::Answer,
            "an old answer tells nothing"
        );
        standing.accepted(at(7), at(8), 4);
        assert_eq!((standing.strikes, standing.at_once), (0, Some(2)));
        assert_eq!(standing.room(&waiting(1), 4, at(8)), Room::Free);
        assert_eq!(standing.room(&waiting(2), 4, at(8)), Room::Answer);
        standing.accepted(at(8), at(9), 4);
        standing.accepted(at(8), at(9), 4);
        assert_eq!(standing.at_once, None, "all of the budget is back");
    }

    #[test]
    fn a_clock_that_was_set_back_neither_stops_the_key_for_ever_nor_makes_it_deaf() {
        let mut standing = Standing::default();
        standing.throttled(at(9_000), at(10_000), WINDOW, silent());
        assert_eq!(standing.pause(at(100)), None);
        standing.accepted(at(99), at(100), 60);
        assert_eq!(standing.strikes, 0);
        standing.throttled(at(99), at(100), WINDOW, silent());
        assert_eq!(
            (standing.paused_at, standing.pause(at(100))),
            (Some(at(100)), Some(at(5)))
        );
    }

    #[derive(Debug, Clone)]
    struct Request {
        gap: u64,
        takes: u64,
        rate: u32,
        throttled: Option<Option<u64>>,
        /// The process ended before the answer: nobody gives the place back.
        lost: bool,
    }

    fn request() -> impl Strategy<Value = Request> {
        let throttled = prop_oneof![
            8 => Just(None),
            1 => Just(Some(None)),
            1 => (0_u64..90).prop_map(|seconds| Some(Some(seconds))),
        ];
        (0_u64..20, 0_u64..30, 1_u32..8, throttled, any::<bool>()).prop_map(|(gap, takes, rate, throttled, lost)| {
            Request {
                gap,
                takes,
                rate,
                throttled,
                lost,
            }
        })
    }

    struct Held {
        taken_at: Moment,
        answered_at: Moment,
        free_at: Moment,
        rate: u32,
        throttled: Option<Option<u64>>,
        told: bool,
    }

    /// A keeper of a window with a clock of its own: asks until there is room, and answers what is due meanwhile.
    #[derive(Default)]
    struct Keeper {
        now: Moment,
        standing: Standing,
        held: Vec<Held>,
        pauses: Vec<(Moment, Moment)>,
    }

    impl Keeper {
        fn answer(&mut self) {
            let now = self.now;
            for held in self.held.iter_mut().filter(|it| !it.told && it.answered_at <= now) {
                held.told = true;
                match held.throttled {
                    None => self.standing.accepted(held.taken_at, now, held.rate),
                    Some(seconds) => {
                        let retry_after = seconds.map(at);
                        let throttle = Throttle {
                            retry_after,
                            chance: 99,
                        };
                        self.standing.throttled(held.taken_at, now, WINDOW, throttle);
                        self.pauses.push((now, self.standing.paused_until.unwrap()));
                    }
                }
            }
        }

        fn places(&self) -> Places {
            let live = || self.held.iter().filter(|held| held.free_at > self.now);
            let since = |held: &&Held| self.standing.paused_at.is_none_or(|at| held.taken_at > at);
            Places {
                live: live().count(),
                lowest: live().map(|held| held.rate).min(),
                unanswered: live().filter(since).filter(|held| held.answered_at > self.now).count(),
            }
        }

        fn send(&mut self, request: &Request) {
            self.now += at(request.gap);
            for _ in 0..10_000 {
                self.answer();
                if self.standing.room(&self.places(), request.rate, self.now) == Room::Free {
                    let answered_at = self.now + at(request.takes);
                    self.held.push(Held {
                        taken_at: self.now,
                        answered_at: if request.lost {
                            answered_at + WINDOW * 2
                        } else {
                            answered_at
                        },
                        free_at: if request.lost {
                            self.now + WINDOW * 3
                        } else {
                            answered_at + WINDOW
                        },
                        rate: request.rate,
                        throttled: request.throttled.filter(|_| !request.lost),
                        told: false,
                    });
                    return;
                }
                self.now += at(1);
            }
            panic!("it never gets its turn: {request:?}");
        }
    }

    proptest! {
        /// Whatever comes: no window of 60 seconds holds more sends than any of them asked for, nothing is sent in a
        /// pause, and everything is sent in the end.
        #[test]
        fn no_window_holds_more_than_the_lowest_rate_in_it(requests in proptest::collection::vec(request(), 1..40)) {
            let mut keeper = Keeper::default();
            for request in &requests {
                keeper.send(request);
            }
            prop_assert_eq!(keeper.held.len(), requests.len());
            for (index, last) in keeper.held.iter().enumerate() {
                let window = keeper.held[..=index].iter().filter(|held| held.taken_at + WINDOW > last.taken_at);
                prop_assert!(window.count() <= last.rate as usize);
                for (from, until) in &keeper.pauses {
                    prop_assert!(last.taken_at <= *from || last.taken_at >= *until);
                }
            }
        }
    }
}
