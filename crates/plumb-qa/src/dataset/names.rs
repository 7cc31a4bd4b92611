//! Names of small enumerations in files, both ways. They are serde's names, so that Parquet and JSON agree.

use crate::pair::{FactName, Reference, Side, Unit};

pub(super) trait Named: Copy + Sized + 'static {
    const NAMES: &'static [(Self, &'static str)];

    fn name(self) -> &'static str;

    fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(value, _)| *value)
    }
}

macro_rules! named {
    ($($type:ident { $($variant:ident $name:literal,)* })*) => { $(
        impl Named for $type {
            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$variant, $name),)*];

            // A match, so that a variant without a name does not compile.
            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    )* };
}

named! {
    Side {
        Left "left", Right "right", Front "front", Behind "behind", Above "above", Below "below",
        Taller "taller", Shorter "shorter", Wider "wider", Narrower "narrower", Near "near", Far "far",
    }
    Unit {
        Millimetre "millimetre", Centimetre "centimetre", Metre "metre", Inch "inch", Foot "foot", Yard "yard",
    }
    Reference {
        Name "name", Attribute "attribute", Ordinal "ordinal", Mark "mark", Region "region",
    }
    FactName {
        Lateral "lateral", NearDepth "near_depth", FarDepth "far_depth", MedianDepth "median_depth", Top "top",
        Bottom "bottom", CentreHeight "centre_height", Height "height", Width "width", Volume "volume",
        SurfaceDistance "surface_distance", CentreDistance "centre_distance",
        HorizontalDistance "horizontal_distance", VerticalDistance "vertical_distance", Gap "gap",
        Difference "difference", Ratio "ratio", Bearing "bearing", Count "count", PixelX "pixel_x",
        PixelY "pixel_y",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Named + serde::Serialize + PartialEq + std::fmt::Debug>() {
        for &(value, name) in T::NAMES {
            assert_eq!(serde_json::to_string(&value).unwrap(), format!("\"{name}\""));
            assert_eq!((value.name(), T::of(name)), (name, Some(value)));
        }
        assert_eq!(T::of("Left "), None);
    }

    #[test]
    fn names_are_serdes_and_go_both_ways() {
        check::<Side>();
        check::<Unit>();
        check::<Reference>();
        check::<FactName>();
    }
}
