//! Topics with names for their levels: `home/{room}/{sensor}/illuminance`.

use serde::Deserialize;

/// A topic to subscribe to. A level `{name}` stands for any level, and gives it that name; `+` for any level; `#`, as
/// the last one, for all that follow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Topic {
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Fixed(String),
    /// Any level; without a name if that is empty.
    Any(String),
    Rest,
}

/// The levels of one message's topic that have names.
pub type Names = Vec<(String, String)>;

impl Topic {
    /// As the broker has it.
    pub fn filter(&self) -> String {
        let levels: Vec<_> = self.levels.iter().map(Level::filter).collect();
        levels.join("/")
    }

    /// The named levels of a message's topic, if it is one of these.
    pub fn names(&self, topic: &str) -> Option<Names> {
        let mut names = Vec::new();
        let mut found = topic.split('/');
        for level in &self.levels {
            match level {
                Level::Rest => return Some(names),
                Level::Any(name) => {
                    let text = found.next()?;
                    if !name.is_empty() {
                        names.push((name.clone(), text.to_owned()));
                    }
                }
                Level::Fixed(text) => {
                    if found.next()? != text {
                        return None;
                    }
                }
            }
        }
        found.next().is_none().then_some(names)
    }

    /// Whether a level has this name.
    pub fn has(&self, name: &str) -> bool {
        self.levels.iter().any(|level| matches!(level, Level::Any(found) if found == name))
    }
}

impl Level {
    fn filter(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Any(_) => "+",
            Self::Rest => "#",
        }
    }
}

impl TryFrom<String> for Topic {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut levels = Vec::new();
        let mut parts = text.split('/').peekable();
        while let Some(part) = parts.next() {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            levels.push(match (part, name) {
                ("+", _) => Level::Any(String::new()),
                ("#", _) if parts.peek().is_none() => Level::Rest,
                (_, Some(name)) if is_name(name) => Level::Any(name.to_owned()),
                _ if part.contains(['+', '#', '{', '}']) => {
                    return Err(format!(
                        "topic {text:?}: the level {part:?} is neither a text, nor +, nor {{name}}, nor # at the end"
                    ));
                }
                _ => Level::Fixed(part.to_owned()),
            });
        }
        Ok(Self { levels })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A text with the named levels of a topic in it: `{room}.{sensor}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Template(String);

impl Template {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text with these names filled in.
    pub fn fill(&self, names: &Names) -> String {
        let mut text = String::new();
        let mut rest = self.0.as_str();
        while let Some((before, (name, after))) = rest.split_once('{').and_then(|(b, a)| Some((b, a.split_once('}')?)))
        {
            text.push_str(before);
            text.extend(names.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()));
            rest = after;
        }
        text + rest
    }

    /// The first name in it that the topic does not have.
    pub fn missing(&self, topic: &Topic) -> Option<&str> {
        let names = self.0.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
        names.into_iter().find(|name| !topic.has(name))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        Topic::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn levels_have_names() {
        let lamp = topic("home/{room}/+/{sensor}/lux");
        assert_eq!(lamp.filter(), "home/+/+/+/lux");
        let names = lamp.names("home/attic/x/window/lux").unwrap();
        assert_eq!(Template::new("{room}.{sensor}").fill(&names), "attic.window");
        for other in ["home/attic/x/window", "home/attic/x/window/lux/more", "house/attic/x/window/lux"] {
            assert_eq!(lamp.names(other), None, "{other}");
        }
        assert_eq!(topic("{room}/#").names("attic/a/b").unwrap().len(), 1);
        assert_eq!(topic("{room}/#").filter(), "+/#");
        assert_eq!(Template::new("{room} {floor}").missing(&lamp), Some("floor"));
    }

    #[test]
    fn what_is_no_topic_is_refused() {
        for text in ["a/#/b", "a/b+", "a/{}", "a/{room", "a/{the room}"] {
            assert!(Topic::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
