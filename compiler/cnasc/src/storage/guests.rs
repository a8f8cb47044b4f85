//! Trials that wait, as `enqueue_trial` of Optuna leaves them: what they set, as the program reads it.

use cnasc_expand::space::{SearchVariable, Setting};
use cnasc_search::Guest;
use serde_json::Value;
use std::collections::BTreeMap;

/// The candidate that a trial asks for: `fixed` is an object of variables and values, `seed` a number or one between quotes.
///
/// # Errors
/// What is wrong with it.
pub fn read(
    variables: &[SearchVariable],
    trial: i64,
    fixed: Option<String>,
    seed: Option<String>,
) -> Result<Guest, String> {
    let fixed = fixed.unwrap_or_else(|| "{}".to_owned());
    let fixed: BTreeMap<String, Value> = serde_json::from_str(&fixed).map_err(|error| error.to_string())?;
    let settings = fixed.into_iter().map(|(name, value)| {
        let variable = variables.iter().find(|variable| variable.name == name);
        let variable = variable.ok_or_else(|| format!("there is no search variable `{name}`"))?;
        Ok((name, setting(variable, &value)?))
    });
    let settings = settings.collect::<Result<_, String>>()?;
    let seed = seed.map(|text| {
        let text = text.trim_matches('"').to_owned();
        text.parse().map_err(|_| format!("the seed `{text}` is no whole number"))
    });
    let name = u64::try_from(trial).map_err(|_| format!("{trial} can't be a trial"))?;
    Ok(Guest { name, seed: seed.transpose()?, settings })
}

fn setting(variable: &SearchVariable, value: &Value) -> Result<Setting, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // Python writes 16.0 where it was given one.
        Value::Number(number) => match number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15) {
            Some(whole) => format!("{whole:.0}"),
            None => number.to_string(),
        },
        other => other.to_string(),
    };
    variable.read(&text).map_err(|found| found.message)
}
