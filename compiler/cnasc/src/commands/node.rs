//! `cnasc node --name N --keys DIR`: one node of a fleet of several machines.

use super::remote::failed;
use crate::Session;
use crate::failure::{Exit, Failure};
use cnasc_fleet::remote::{NodeArgs, serve};

/// Joins, and executes until the process is ended.
pub fn run(session: &mut Session, args: &NodeArgs) -> Result<Exit, Failure> {
    let output = session.output;
    serve(args, &mut |line| {
        if output.is_json() {
            output.json(&serde_json::json!({ "event": line }));
        } else {
            output.text(&format!("{line}\n"));
        }
    })
    .map_err(failed)?;
    Ok(Exit::Done)
}
