//! What the system tells about the machine that this runs on.

/// The value of `key: value` or `key  : value` in a file of the system, without what a comment can't hold.
#[must_use]
pub fn field(path: &str, key: &str) -> Option<String> {
    field_of(&std::fs::read_to_string(path).ok()?, key)
}

fn field_of(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })?;
    Some(value.chars().filter(|letter| !letter.is_control()).take(80).collect())
}

/// The processor's name; of one that has none the numbers of who made it and of the model, or its architecture where the system tells nothing.
#[must_use]
pub fn cpu() -> String {
    // Once: where there are many cores, the system takes milliseconds to write it.
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key| field_of(&text, key);
    // Several models have the same name on rented machines, and ARM's have none.
    let numbers = [("cpu family", "model"), ("CPU implementer", "CPU part")];
    let numbers = numbers.into_iter().find_map(|(first, second)| Some(format!("{} {}", of(first)?, of(second)?)));
    let known = [of("model name"), numbers].into_iter().flatten().collect::<Vec<String>>();
    if known.is_empty() { std::env::consts::ARCH.to_owned() } else { known.join(" ") }
}

/// How many threads run at once.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
