//! Reads the fields of one object of a request and collects everything that is wrong with them.
//! Which fields there are is said in `validate`.

use serde_json::{Map, Value};

use crate::signalling::Detail;
use crate::signalling::coerce::{NOT_TEXT, Reason, text};

pub(super) const OBJECT: &str =
    "Input should be a valid dictionary or object to extract fields from";

#[derive(Default)]
pub(super) struct Errors(pub(super) Vec<Detail>);

impl Errors {
    pub(super) fn add(&mut self, kind: &'static str, loc: &[Value], msg: &str) {
        self.0.push(Detail {
            kind,
            loc: loc.to_vec(),
            msg: msg.to_owned(),
        });
    }
}

/// One object of the request and where it is.
pub(super) struct Fields<'a> {
    pub(super) object: Option<&'a Map<String, Value>>,
    pub(super) loc: Vec<Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name)
    }

    pub(super) fn at(&self, name: &str) -> Vec<Value> {
        let mut loc = self.loc.clone();
        loc.push(name.into());
        loc
    }

    /// An optional field: null and absent are the same.
    pub(super) fn read<T>(
        &self,
        name: &str,
        errors: &mut Errors,
        read: impl Fn(&'a Value) -> Result<T, Reason>,
    ) -> Option<T> {
        let value = self.get(name).filter(|value| !value.is_null())?;
        match read(value) {
            Ok(value) => Some(value),
            Err((kind, msg)) => {
                errors.add(kind, &self.at(name), msg);
                None
            }
        }
    }

    pub(super) fn text(&self, name: &str, errors: &mut Errors) -> Option<String> {
        self.read(name, errors, text)
    }

    pub(super) fn required_text(&self, name: &str, errors: &mut Errors) -> Option<String> {
        match self.get(name) {
            None => errors.add("missing", &self.at(name), "Field required"),
            Some(Value::Null) => errors.add("string_type", &self.at(name), NOT_TEXT.1),
            Some(_) => return self.text(name, errors),
        }
        None
    }

    pub(super) fn required_object(&self, name: &str, errors: &mut Errors) -> Option<Fields<'a>> {
        match self.get(name) {
            None => errors.add("missing", &self.at(name), "Field required"),
            Some(Value::Object(object)) => {
                return Some(Fields {
                    object: Some(object),
                    loc: self.at(name),
                });
            }
            Some(_) => errors.add("model_attributes_type", &self.at(name), OBJECT),
        }
        None
    }

    pub(super) fn object(&self, name: &str, errors: &mut Errors) -> Option<Map<String, Value>> {
        let reason = ("dict_type", "Input should be a valid dictionary");
        self.read(name, errors, |value| {
            value.as_object().cloned().ok_or(reason)
        })
    }

    pub(super) fn texts(&self, name: &str, errors: &mut Errors) -> Option<Vec<String>> {
        let reason = ("list_type", "Input should be a valid list");
        let items = self.read(name, errors, |value| value.as_array().ok_or(reason))?;
        let mut list = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match text(item) {
                Ok(text) => list.push(text),
                Err((kind, msg)) => {
                    let mut loc = self.at(name);
                    loc.push(index.into());
                    errors.add(kind, &loc, msg);
                }
            }
        }
        Some(list)
    }
}
