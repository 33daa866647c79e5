//! Properties of blocks: what a literal may be, its default, and checked values for the blocks.
//! Not here: the blocks themselves and where selectors lead.

use framewire_media::Bgr;
use serde_json::Value as Json;

/// Most entries of a list property (class filter, custom colours).
pub(crate) const MAX_LIST: usize = 1024;

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Selector of an image; never a literal.
    Image,
    /// Selector of detections; never a literal.
    Detections,
    /// An integer of at least this.
    Int(i64),
    /// A number in this range.
    Number(f64, f64),
    Bool,
    Text,
    /// Text or null.
    OptionalText,
    /// List of texts or null.
    OptionalTexts,
    /// List of colours.
    Colors,
    /// One colour.
    Color,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// One of these texts; a selector may bring any value.
    ChoiceOrAnySelector(&'static [&'static str]),
}

/// One property of a block type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    /// A second accepted name.
    pub(crate) alias: Option<&'static str>,
    pub(crate) kind: Kind,
    /// JSON text of the default; `None`: required.
    pub(crate) default: Option<&'static str>,
}

impl Property {
    pub(crate) const fn required(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            alias: None,
            kind,
            default: None,
        }
    }

    pub(crate) const fn optional(name: &'static str, kind: Kind, default: &'static str) -> Self {
        Self {
            name,
            alias: None,
            kind,
            default: Some(default),
        }
    }

    pub(crate) const fn or_named(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }
}

impl Kind {
    /// Whether the property takes a picture or detections and not a plain value.
    pub(crate) fn is_data(self) -> bool {
        matches!(self, Self::Image | Self::Detections)
    }

    /// What is wrong with a value that a selector brought, or nothing.
    pub(crate) fn check_selected(self, value: &Json) -> Result<(), String> {
        match self {
            Self::ChoiceOrAnySelector(_) => Ok(()),
            _ => self.check(value),
        }
    }

    /// What is wrong with a literal, or nothing.
    pub(crate) fn check(self, value: &Json) -> Result<(), String> {
        match self {
            Self::Image => Err("must be a selector of an image, like `$inputs.image`".into()),
            Self::Detections => {
                Err("must be a selector of detections, like `$steps.model.predictions`".into())
            }
            Self::Int(min) => match integer(value) {
                Some(number) if number >= min => Ok(()),
                Some(number) => Err(format!("must be {min} or more, is {number}")),
                None => Err(expected("an integer or a selector", value)),
            },
            Self::Number(low, high) => match value.as_f64() {
                Some(number) if (low..=high).contains(&number) => Ok(()),
                Some(number) => Err(format!("must be between {low} and {high}, is {number}")),
                None => Err(expected("a number or a selector", value)),
            },
            Self::Bool => value
                .is_boolean()
                .then_some(())
                .ok_or_else(|| expected("true, false or a selector", value)),
            Self::Text => value
                .is_string()
                .then_some(())
                .ok_or_else(|| expected("text or a selector", value)),
            Self::OptionalText => (value.is_string() || value.is_null())
                .then_some(())
                .ok_or_else(|| expected("text or null", value)),
            Self::OptionalTexts if value.is_null() => Ok(()),
            Self::OptionalTexts => list(value, |item| item.is_string()),
            Self::Colors => list(value, |item| {
                item.as_str()
                    .is_some_and(|text| text.parse::<Bgr>().is_ok())
            }),
            Self::Color => match value.as_str() {
                Some(text) if text.parse::<Bgr>().is_ok() => Ok(()),
                Some(text) => Err(format!(
                    "`{}` is not a colour; use a name, #RRGGBB, rgb(r,g,b) or bgr(b,g,r)",
                    clip(text)
                )),
                None => Err(expected("a colour or a selector", value)),
            },
            Self::Choice(choices) | Self::ChoiceOrAnySelector(choices) => match value.as_str() {
                Some(text) if choices.contains(&text) => Ok(()),
                Some(text) => Err(format!(
                    "`{}` is not one of {}",
                    clip(text),
                    choices.join(", ")
                )),
                None => Err(expected("text or a selector", value)),
            },
        }
    }
}

/// Whole numbers are integers however they are written: 40 and 40.0.
fn integer(value: &Json) -> Option<i64> {
    let whole =
        |number: f64| (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}

fn list(value: &Json, good: impl Fn(&Json) -> bool) -> Result<(), String> {
    let items = value
        .as_array()
        .ok_or_else(|| expected("a list or a selector", value))?;
    if items.len() > MAX_LIST {
        return Err(format!(
            "has {} entries, more than the {MAX_LIST} allowed",
            items.len()
        ));
    }
    match items.iter().find(|item| !good(item)) {
        Some(item) => Err(format!(
            "has an entry that is not valid: {}",
            clip(&item.to_string())
        )),
        None => Ok(()),
    }
}

fn expected(what: &str, found: &Json) -> String {
    format!("must be {what}, is {}", clip(&found.to_string()))
}

/// Messages quote at most this much of a definition.
fn clip(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        text.to_owned()
    } else {
        text.chars().take(LONGEST).chain("...".chars()).collect()
    }
}

/// The plain values of one step, checked against their kinds, in the order of the block's properties.
#[derive(Debug)]
pub(crate) struct Scalars<'v> {
    pub(crate) values: Vec<(&'static str, &'v Json)>,
}

impl Scalars<'_> {
    /// The value; the names are those of the block's own table.
    pub(crate) fn get(&self, name: &str) -> &Json {
        let found = self.values.iter().find(|(other, _)| *other == name);
        found.map_or(&Json::Null, |(_, value)| value)
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        self.get(name).as_f64().unwrap_or_default()
    }

    pub(crate) fn integer(&self, name: &str) -> i64 {
        integer(self.get(name)).unwrap_or_default()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).as_bool().unwrap_or_default()
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_default()
    }

    pub(crate) fn texts(&self, name: &str) -> Option<Vec<&str>> {
        Some(
            self.get(name)
                .as_array()?
                .iter()
                .filter_map(Json::as_str)
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_checked_by_kind() {
        let ok =
            |kind: Kind, value: Json| assert_eq!(kind.check(&value), Ok(()), "{kind:?} {value}");
        let bad =
            |kind: Kind, value: Json| assert!(kind.check(&value).is_err(), "{kind:?} {value}");
        ok(Kind::Int(1), json!(40));
        ok(Kind::Int(1), json!(40.0));
        for value in [
            json!(0),
            json!(1.5),
            json!("40"),
            json!(null),
            json!(true),
            json!(1e300),
        ] {
            bad(Kind::Int(1), value);
        }
        ok(Kind::Number(0.0, 1.0), json!(1));
        for value in [json!(1.01), json!(-0.1), json!("0.5"), json!([])] {
            bad(Kind::Number(0.0, 1.0), value);
        }
        ok(Kind::OptionalTexts, json!(["car"]));
        ok(Kind::OptionalTexts, json!(null));
        bad(Kind::OptionalTexts, json!("car"));
        bad(Kind::OptionalTexts, json!([1]));
        bad(Kind::OptionalTexts, json!(vec!["x"; MAX_LIST + 1]));
        ok(Kind::Color, json!("#FF00aa"));
        bad(Kind::Color, json!("no colour"));
        bad(Kind::Choice(&["A", "B"]), json!("C"));
        bad(Kind::Image, json!("picture"));
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        let message = Kind::Color.check(&json!("x".repeat(10_000))).unwrap_err();
        assert!(message.len() < 250);
    }
}
