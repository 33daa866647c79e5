//! Selectors: `$inputs.<name>`, `$steps.<step>.<output>`, and in outputs `$steps.<step>.*`.
//! Not here: whether the thing they point at exists.

/// A parsed selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    Input(String),
    Step {
        step: String,
        output: String,
    },
    /// All outputs of a step.
    WholeStep(String),
}

impl Selector {
    /// Whether text is meant as a selector at all.
    pub(crate) fn looks_like(text: &str) -> bool {
        text.starts_with("$inputs.") || text.starts_with("$steps.")
    }

    /// `None` if the text has not exactly one of the three forms.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("$inputs.") {
            return is_name(name).then(|| Self::Input(name.to_owned()));
        }
        let (step, output) = text.strip_prefix("$steps.")?.split_once('.')?;
        match (is_name(step), output) {
            (true, "*") => Some(Self::WholeStep(step.to_owned())),
            (true, output) if is_name(output) => Some(Self::Step {
                step: step.to_owned(),
                output: output.to_owned(),
            }),
            _ => None,
        }
    }
}

/// Letters, digits, `_` and `-`; letters of any alphabet.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_parse_and_nothing_else() {
        assert_eq!(
            Selector::parse("$inputs.my-image_1"),
            Some(Selector::Input("my-image_1".into()))
        );
        let step = Selector::Step {
            step: "crop".into(),
            output: "crops".into(),
        };
        assert_eq!(Selector::parse("$steps.crop.crops"), Some(step));
        assert_eq!(
            Selector::parse("$steps.crop.*"),
            Some(Selector::WholeStep("crop".into()))
        );
        for wrong in [
            "",
            "image",
            "$inputs",
            "$inputs.",
            "$inputs.a.b",
            "$inputs.a b",
            "$inputs.*",
            "$steps.a",
            "$steps.a.",
            "$steps..b",
            "$steps.*.b",
            "$steps.a.b.c",
            "$steps.a.**",
            "$STEPS.a.b",
            " $inputs.a",
        ] {
            assert_eq!(Selector::parse(wrong), None, "{wrong:?}");
        }
    }
}
