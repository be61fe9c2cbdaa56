use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::read::{DEPTH, NotJson};
use super::*;

fn packed(json: &str) -> Vec<u8> {
    let _valid: &RawValue = serde_json::from_str(json).expect("valid JSON");
    let mut out = Vec::new();
    from_json(json.as_bytes(), &mut out);
    out
}

fn unpacked(bytes: &[u8]) -> String {
    String::from_utf8(to_json(bytes).expect("valid")).expect("UTF-8")
}

/// There and back again.
fn round(json: &str) -> String {
    unpacked(&packed(json))
}

#[test]
fn the_specifications_example_is_eighteen_bytes() {
    let bytes = packed(" {\"compact\": true, \"schema\" : 0} ");
    assert_eq!(bytes, b"\x82\xa7compact\xc3\xa6schema\x00");
    assert_eq!(bytes.len(), 18);
    assert_eq!(unpacked(&bytes), r#"{"compact":true,"schema":0}"#);
}

#[test]
fn integers_of_up_to_64_bits_stay_exact_and_short() {
    for (json, bytes) in [
        ("0", &[0x00][..]),
        ("127", &[0x7f]),
        ("128", &[0xcc, 0x80]),
        ("255", &[0xcc, 0xff]),
        ("256", &[0xcd, 1, 0]),
        ("65536", &[0xce, 0, 1, 0, 0]),
        ("4294967296", &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("9007199254740993", &[0xcf, 0, 0x20, 0, 0, 0, 0, 0, 1]),
        (
            "18446744073709551615",
            &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255],
        ),
        ("-1", &[0xff]),
        ("-32", &[0xe0]),
        ("-33", &[0xd0, 0xdf]),
        ("-128", &[0xd0, 0x80]),
        ("-129", &[0xd1, 0xff, 0x7f]),
        ("-32769", &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
        ("-2147483649", &[0xd3, 255, 255, 255, 255, 0x7f, 255, 255, 255]),
        ("-9223372036854775808", &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(packed(json), bytes, "{json}");
        assert_eq!(unpacked(bytes), json);
    }
}

#[test]
fn other_numbers_are_doubles() {
    for (json, back) in [
        ("1.50", "1.5"),
        ("1.0", "1.0"),
        ("-0", "-0.0"),
        ("1e3", "1000.0"),
        ("0.1", "0.1"),
        ("5e-324", "5e-324"),
        ("18446744073709551616", "1.8446744073709552e19"),
        ("-9223372036854775809", "-9.223372036854775808e18"),
    ] {
        let again: Value = serde_json::from_str(&round(json)).expect("valid");
        let expected: Value = serde_json::from_str(back).expect("valid");
        assert_eq!((packed(json)[0], again), (0xcb, expected), "{json}");
    }
    assert_eq!(unpacked(&[0xca, 0x3f, 0xc0, 0, 0]), "1.5", "a float of 32 bits");
    assert_eq!(packed("1e400")[1..], f64::INFINITY.to_be_bytes());
}

#[test]
fn texts_are_taken_out_of_their_escapes() {
    assert_eq!(
        packed(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00ü""#)[1..],
        *"a\"\\/\u{8}\u{c}\n\r\té😀ü".as_bytes()
    );
    for (half, text) in [
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00x""#, "\u{fffd}x"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud83d\n""#, "\u{fffd}\n"),
        (r#""\ud83dA""#, "\u{fffd}A"),
    ] {
        assert_eq!(packed(half)[1..], *text.as_bytes(), "{half}");
    }
    for (length, header) in [
        (31, &[0xbf][..]),
        (32, &[0xd9, 32]),
        (256, &[0xda, 1, 0]),
        (65536, &[0xdb, 0, 1, 0, 0]),
    ] {
        let json = format!("\"{}\"", "x".repeat(length));
        assert_eq!(packed(&json)[..header.len()], *header);
        assert_eq!(round(&json), json);
    }
}

#[test]
fn maps_and_lists_say_their_size_first() {
    assert_eq!(packed(" [ ] "), [0x90]);
    assert_eq!(
        packed("[{},[[]],{\"a\":[1,2]}]"),
        b"\x93\x80\x91\x90\x81\xa1a\x92\x01\x02"
    );
    assert_eq!(packed(r#"{"a":"[,]","a":{}}"#), b"\x82\xa1a\xa3[,]\xa1a\x80");
    for (size, header) in [
        (15, &[0x9f][..]),
        (16, &[0xdc, 0, 16]),
        (65536, &[0xdd, 0, 1, 0, 0]),
    ] {
        let list = Value::from(vec![0; size]).to_string();
        assert_eq!(packed(&list)[..header.len()], *header);
        assert_eq!(round(&list), list);
    }
    let map: Value = (0..70_000)
        .map(|i| (i.to_string(), json!(i)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(packed(&map.to_string())[..5], [0xdf, 0, 1, 0x11, 0x70]);
    assert_eq!(round(&map.to_string()), map.to_string());
}

#[test]
fn what_json_has_no_word_for_is_an_error_that_says_so() {
    for (bytes, error) in [
        (&b""[..], NotJson::Empty),
        (b"\xc1", NotJson::Unused),
        (b"\x01\x02\x03", NotJson::TooLong(2)),
        (b"\xa5abc", NotJson::Cut),
        (b"\x92\x01", NotJson::Cut),
        (b"\xdf\xff\xff\xff\xff", NotJson::Cut),
        (b"\xdb\xff\xff\xff\xffx", NotJson::Cut),
        (b"\xcf\x00", NotJson::Cut),
        (b"\x81\x01\x02", NotJson::Key),
        (b"\x81\x90\x02", NotJson::Key),
        (b"\xa1\xff", NotJson::NotUtf8),
        (b"\x81\xa1d\xc4\x01x", NotJson::Bytes),
        (b"\xd6\xff\x00\x00\x00\x00", NotJson::Extension),
        (b"\xca\x7f\xc0\x00\x00", NotJson::Number),
        (b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", NotJson::Number),
    ] {
        assert_eq!(to_json(bytes), Err(error), "{bytes:02x?}");
    }
}

#[test]
fn deep_nesting_is_refused_on_the_way_in_and_harmless_on_the_way_out() {
    let deep = |depth: usize| [vec![0x91; depth - 1], vec![0x90]].concat();
    assert_eq!(
        unpacked(&deep(DEPTH)),
        format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH))
    );
    assert_eq!(to_json(&deep(DEPTH + 1)), Err(NotJson::TooDeep));
    assert_eq!(to_json(&deep(1_000_000)), Err(NotJson::TooDeep));
    let json = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let mut out = Vec::new();
    from_json(json.as_bytes(), &mut out);
    assert_eq!(out, deep(1_000_000));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            proptest::collection::vec((".{0,6}", inner), 0..20)
                .prop_map(|pairs| pairs.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn json_through_message_pack_is_the_same_json(value in values(), pretty: bool) {
        let json = if pretty { format!("{value:#}") } else { value.to_string() };
        prop_assert_eq!(round(&json), value.to_string());
    }

    #[test]
    fn any_bytes_are_json_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(json) = to_json(&bytes) {
            prop_assert!(json.len() <= bytes.len() * 6);
            let _valid: &RawValue = serde_json::from_slice(&json).expect("valid JSON");
        }
    }

    #[test]
    fn any_damage_to_a_message_gives_json_or_an_error(
        value in values(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = packed(&value.to_string());
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(json) = to_json(&bytes) {
            let _valid: &RawValue = serde_json::from_slice(&json).expect("valid JSON");
        }
    }

    #[test]
    fn bytes_that_are_no_json_harm_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        from_json(&bytes, &mut Vec::new());
    }
}
