//! The control routes below `/_simulator`: look inside, break things, play a person. No key is asked for.

use serde_json::{Value, json};

use super::faults::Fault;
use super::http::{Answer, Call, Object, Reply};
use super::world::World;

/// Ten years, in seconds.
const FARTHEST: i64 = 315_576_000;

impl World {
    /// Answers one call of a control route.
    pub(super) fn control(&mut self, call: &Call) -> Reply {
        let path: Vec<&str> = call.segments.iter().skip(1).map(String::as_str).collect();
        match (call.method.as_str(), path.as_slice()) {
            ("GET", ["requests"]) => Ok(Answer::ok(json!(self.log))),
            ("GET", ["state"]) => Ok(Answer::ok(self.state())),
            ("POST", ["reset"]) => {
                self.reset();
                Ok(done())
            }
            ("GET", ["faults"]) => Ok(Answer::ok(self.faults.0.iter().map(Fault::to_json).collect())),
            ("POST", ["faults"]) => {
                let fault =
                    Fault::from_json(&Value::Object(call.any_body()?)).map_err(|why| Answer::refusal(400, why))?;
                self.faults.0.push(fault);
                Ok(done())
            }
            ("DELETE", ["faults"]) => {
                self.faults.0.clear();
                Ok(done())
            }
            ("GET", ["knobs"]) => Ok(Answer::ok(json!(self.organisation.knobs))),
            ("POST", ["knobs"]) => {
                let mut knobs = self.organisation.knobs.clone();
                for (name, setting) in call.any_body()? {
                    knobs.turn(&name, setting).map_err(|why| Answer::refusal(400, why))?;
                }
                self.organisation.knobs = knobs;
                Ok(Answer::ok(json!(self.organisation.knobs)))
            }
            ("POST", ["hands"]) => self.organisation.play_hand(&call.any_body()?),
            ("GET", ["see"]) => {
                let external_id = call.param("as").ok_or_else(|| Answer::bad("as", "Required"))?;
                let environment = call.param("environment").unwrap_or("production");
                Ok(Answer::ok(self.organisation.see(external_id, environment)))
            }
            ("POST", ["clock"]) => {
                let body = call.body(&["advance_seconds"])?;
                self.organisation.clock.advance(seconds_of(&body)?);
                Ok(Answer::ok(json!({"now": self.organisation.clock.now().to_string()})))
            }
            _ => Err(Answer::not_found("no such control route; see docs/simulator.md")),
        }
    }
}

/// How far the clock is moved. Omni's time goes on: nothing here may go back behind what was already told.
fn seconds_of(body: &Object) -> Result<i64, Answer> {
    let given = body.get("advance_seconds").unwrap_or(&Value::Null);
    let seconds = given.as_i64().filter(|seconds| (0..=FARTHEST).contains(seconds));
    seconds.ok_or_else(|| {
        let why = format!("advance_seconds: {given} is not a whole number from 0 to {FARTHEST}");
        Answer::refusal(400, why)
    })
}

fn done() -> Answer {
    Answer::ok(json!({"success": true}))
}
