//! Events as JSON arrays: the name, then the arguments.
//!
//! A publication has one `data`, an event any number of arguments: one is the data itself, another
//! number of them is `{"$args": […]}`.

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_shared::json::RawJson;

const ARGUMENTS: &str = "{\"$args\":";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments<'a> {
    #[serde(borrow, rename = "$args")]
    arguments: Vec<&'a RawValue>,
}

/// With one argument, which is JSON.
pub(super) fn named(name: &str, argument: &[u8]) -> Vec<u8> {
    let mut array = begin(name);
    array.push(b',');
    array.extend_from_slice(argument);
    array.push(b']');
    array
}

/// With the arguments that a publication's data stands for.
pub(super) fn of_data(name: &str, data: &RawJson) -> Vec<u8> {
    let several = data.as_str().trim_start().starts_with('{') && data.as_str().contains("\"$args\"");
    let several = several
        .then(|| serde_json::from_str::<Arguments<'_>>(data.as_str()).ok())
        .flatten();
    match several {
        Some(several) => {
            let mut array = begin(name);
            for argument in several.arguments {
                array.push(b',');
                array.extend_from_slice(argument.get().as_bytes());
            }
            array.push(b']');
            array
        }
        None => named(name, data.as_bytes()),
    }
}

/// What a publication's data is for these arguments.
pub(super) fn to_data(arguments: &[RawJson]) -> RawJson {
    if let [one] = arguments {
        return one.clone();
    }
    let mut data = ARGUMENTS.as_bytes().to_vec();
    array(arguments, &mut data);
    data.push(b'}');
    RawJson::trusted(data.into())
}

/// An array of these.
pub(super) fn array(items: &[RawJson], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item.as_bytes());
    }
    out.push(b']');
}

fn begin(name: &str) -> Vec<u8> {
    let mut array = vec![b'['];
    // A text always serialises.
    array.extend(serde_json::to_vec(name).unwrap_or_default());
    array
}
