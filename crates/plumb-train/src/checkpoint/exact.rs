//! Floats in JSON that read back bit for bit.
//!
//! A finite value is a JSON number (an `f32` with the digits of the `f64` it equals, since readers that go through `f64`
//! may otherwise round twice). JSON has no NaN and no infinity, so those are strings that carry the bits.

/// `#[serde(with = "exact::f32")]`, and `exact::f32::option` for an `Option`.
pub(super) mod f32 {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &f32, to: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            to.serialize_f64(f64::from(*value))
        } else {
            to.serialize_str(&format!("{value} {:08x}", value.to_bits()))
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number, or NaN, inf or -inf and its bits")]
    enum Written {
        Number(f64),
        Text(String),
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
        match Written::deserialize(from)? {
            Written::Number(wide) => {
                let value = wide as f32;
                if f64::from(value).to_bits() == wide.to_bits() {
                    Ok(value)
                } else {
                    Err(D::Error::custom(format!("{wide} is no 32-bit float")))
                }
            }
            Written::Text(text) => {
                let bits = text.split_once(' ').and_then(|(_, bits)| u32::from_str_radix(bits, 16).ok());
                bits.map(f32::from_bits)
                    .filter(|value| !value.is_finite())
                    .ok_or_else(|| D::Error::custom(format!("{text:?} is no float")))
            }
        }
    }

    /// The same for an `Option`; needs `#[serde(default)]` beside it.
    pub(in super::super) mod option {
        use serde::{Deserialize, Deserializer, Serializer};

        #[derive(Deserialize)]
        struct Inner(#[serde(with = "super")] f32);

        pub(in super::super::super) fn serialize<S: Serializer>(
            value: &Option<f32>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match value {
                Some(value) => super::serialize(value, to),
                None => to.serialize_none(),
            }
        }

        pub(in super::super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<f32>, D::Error> {
            Ok(Option::<Inner>::deserialize(from)?.map(|inner| inner.0))
        }
    }
}

/// `#[serde(with = "exact::f64")]`.
pub(super) mod f64 {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            to.serialize_f64(*value)
        } else {
            to.serialize_str(&format!("{value} {:016x}", value.to_bits()))
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number, or NaN, inf or -inf and its bits")]
    enum Written {
        Number(f64),
        Text(String),
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        match Written::deserialize(from)? {
            Written::Number(value) => Ok(value),
            Written::Text(text) => {
                let bits = text.split_once(' ').and_then(|(_, bits)| u64::from_str_radix(bits, 16).ok());
                bits.map(f64::from_bits)
                    .filter(|value| !value.is_finite())
                    .ok_or_else(|| D::Error::custom(format!("{text:?} is no float")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Both {
        #[serde(with = "super::f32")]
        narrow: f32,
        #[serde(default, with = "super::f32::option")]
        maybe: Option<f32>,
        #[serde(with = "super::f64")]
        wide: f64,
    }

    proptest! {
        #[test]
        fn every_bit_pattern_survives(narrow: u32, maybe: Option<u32>, wide: u64) {
            let value = Both {
                narrow: f32::from_bits(narrow),
                maybe: maybe.map(f32::from_bits),
                wide: f64::from_bits(wide),
            };
            let back: Both = serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap();
            prop_assert_eq!(back.narrow.to_bits(), narrow);
            prop_assert_eq!(back.maybe.map(f32::to_bits), maybe);
            prop_assert_eq!(back.wide.to_bits(), wide);
        }
    }

    #[test]
    fn what_is_no_float_is_refused() {
        for (narrow, wide) in
            [("1e39", "1"), ("0.1", "1"), ("\"x\"", "1"), ("\"NaN 3f800000\"", "1"), ("1", "[]")]
        {
            let text = format!(r#"{{"narrow":{narrow},"wide":{wide}}}"#);
            assert!(serde_json::from_str::<Both>(&text).is_err(), "{text}");
        }
    }
}
