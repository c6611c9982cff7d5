//! Patterns for entity ids: `*` stands for any text, `?` for one character.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl Pattern {
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), text.chars().collect());
        let (mut p, mut t) = (0, 0);
        // Where the last `*` was, and where the text went on after it: the way back when what follows does not fit.
        let mut star = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(&c) if c == '?' || c == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => match star {
                    Some((at, from)) => {
                        star = Some((at, from + 1));
                        p = at + 1;
                        t = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&c| c == '*')
    }

    /// How much of the pattern is fixed: the more, the more exact it is.
    pub fn weight(&self) -> usize {
        self.0.chars().filter(|c| !matches!(c, '*' | '?')).count()
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() {
            Err("a pattern is empty: write one such as \"sensor.*_battery\"".to_owned())
        } else {
            Ok(Self(text))
        }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, matches) in [
            ("sensor.*_battery", "sensor.kitchen_motion_battery", true),
            ("sensor.*_battery", "sensor.kitchen_battery_level", false),
            ("*kitchen*", "binary_sensor.kitchen", true),
            ("*a*b*c", "aabbcbc", true),
            ("*", "", true),
            ("?", "", false),
            ("sensor.room_?", "sensor.room_1", true),
            ("sensor.room_?", "sensor.room_12", false),
            ("sensor.a", "sensor.a", true),
            ("sensor.a", "sensor.ab", false),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).matches(text), matches, "{pattern} {text}");
        }
    }
}
