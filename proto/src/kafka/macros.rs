//! `messages!`: the schema language. A struct's fields in wire order become a Rust struct that
//! reads and writes itself in every version.
//!
//! ```text
//! messages! {
//!     /// Java: `ExampleRequestData`.
//!     struct ExampleRequest (0..=5, flexible 4..) {       // a message: its versions
//!         group_id: Str,                                  // in all versions
//!         names: Option<Vec<Str>> [0.., nullable 2..] = Some(Vec::new()),
//!         timeout_ms: i32 [1..=3, ignorable] = 60_000,    // in versions 1 to 3; a default
//!         owner: Option<Str> [4.., tag 0],                // a tagged field
//!     }
//!     struct Nested { ... }                               // a part of a message
//! }
//! ```
//!
//! A field outside its versions reads as its default. Writing one that differs from its default is
//! an error unless it is `ignorable`. Tagged fields stand last, by rising tag. An `Option` starts
//! as `None` where null is legal in every version of the field and Kafka's schema names no other
//! default (Java would start with an empty value that nobody means).

/// Declares messages; see the module's documentation for the language.
macro_rules! messages {
    ($(
        $(#[$meta:meta])*
        struct $name:ident $( ($min:literal ..= $max:literal $(, flexible $flex:literal ..)?) )? {
            $(
                $(#[$fmeta:meta])*
                $field:ident : $ty:ty $([ $($attr:tt)+ ])? $(= $default:expr)? ,
            )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[$fmeta])* pub $field: $ty, )*
            /// Tagged fields of a later schema, kept as they came.
            pub unknown_tags: $crate::kafka::types::Tags,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $field: $crate::kafka::macros::default_of!($($default)?), )*
                    unknown_tags: Default::default(),
                }
            }
        }

        impl $crate::kafka::wire::Wire for $name {
            fn read(
                d: &mut $crate::kafka::decode::Decoder<'_>,
                v: $crate::kafka::wire::Ver,
            ) -> Result<Self, $crate::buf::ReadError> {
                let mut this = Self {
                    $( $field: $crate::kafka::macros::field!(
                        @read d v [$($default)?] $($($attr)+)?
                    ), )*
                    unknown_tags: Default::default(),
                };
                if v.flexible {
                    this.unknown_tags = d.tags(&mut |tag, d| {
                        let _ = (tag, &d);
                        $( $crate::kafka::macros::field!(
                            @read_tag d v tag (this.$field) $($($attr)+)?
                        ); )*
                        Ok(false)
                    })?;
                }
                Ok(this)
            }

            fn write(
                &self,
                e: &mut $crate::kafka::encode::Encoder,
                v: $crate::kafka::wire::Ver,
            ) -> Result<(), $crate::kafka::encode::EncodeError> {
                $( $crate::kafka::macros::field!(
                    @write e v (self.$field) (concat!(stringify!($name), ".", stringify!($field)))
                    [$($default)?] $($($attr)+)?
                ); )*
                if !v.flexible {
                    return $crate::kafka::wire::no_tags(&self.unknown_tags);
                }
                #[allow(unused_mut, reason = "not every struct has tagged fields")]
                let mut known = 0;
                $( $crate::kafka::macros::field!(
                    @count_tag known v (self.$field) [$($default)?] $($($attr)+)?
                ); )*
                e.begin_tags(known, &self.unknown_tags);
                let mut next = 0;
                $( $crate::kafka::macros::field!(
                    @write_tag e v next (self.$field) (self.unknown_tags)
                    [$($default)?] $($($attr)+)?
                ); )*
                e.end_tags(&self.unknown_tags, &mut next);
                Ok(())
            }

            #[cfg(test)]
            fn sample(
                s: &mut $crate::kafka::tests::sample::Sampler,
                v: $crate::kafka::wire::Ver,
            ) -> Self {
                let _ = (&s, v);
                Self {
                    $( $field: $crate::kafka::macros::field!(
                        @sample s v [$($default)?] $($($attr)+)?
                    ), )*
                    unknown_tags: s.tags(v),
                }
            }
        }

        impl $crate::kafka::wire::Nullable for $name {}

        $(
            impl $crate::kafka::wire::Message for $name {
                const NAME: &'static str = stringify!($name);
                const VERSIONS: $crate::kafka::wire::VersionRange =
                    $crate::kafka::wire::VersionRange { min: $min, max: $max };
                const FLEXIBLE_FROM: i16 = $crate::kafka::macros::flexible_from!($($flex)?);
            }
        )?
    )*};
}

macro_rules! default_of {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

macro_rules! flexible_from {
    () => {
        i16::MAX
    };
    ($from:literal) => {
        $from
    };
}

/// What one field contributes to each method. The rules tell the forms of attributes apart.
#[rustfmt::skip]
macro_rules! field {
    // The field's value while a struct is read; tagged ones follow later.
    (@read $d:ident $v:ident [$($default:expr)?]) => {
        $crate::kafka::wire::Wire::read($d, $v)?
    };
    (@read $d:ident $v:ident [$($default:expr)?] $in:pat, tag $tag:literal $(, ignorable)?) => {
        $crate::kafka::macros::default_of!($($default)?)
    };
    (@read $d:ident $v:ident [$($default:expr)?] $in:pat, nullable $null:pat $(, ignorable)?) => {
        if matches!($v.version, $in) {
            let value = $crate::kafka::wire::Wire::read($d, $v)?;
            $crate::kafka::wire::check_read(&value, matches!($v.version, $null))?;
            value
        } else {
            $crate::kafka::macros::default_of!($($default)?)
        }
    };
    (@read $d:ident $v:ident [$($default:expr)?] $in:pat $(, ignorable)?) => {
        if matches!($v.version, $in) {
            $crate::kafka::wire::Wire::read($d, $v)?
        } else {
            $crate::kafka::macros::default_of!($($default)?)
        }
    };

    (@read_tag $d:ident $v:ident $t:ident ($to:expr) $in:pat, tag $tag:literal $(, ignorable)?) => {
        if $t == $tag && matches!($v.version, $in) {
            $to = $crate::kafka::wire::Wire::read($d, $v)?;
            return Ok(true);
        }
    };
    (@read_tag $($other:tt)*) => {};

    (@write $e:ident $v:ident ($from:expr) ($name:expr) [$($default:expr)?]) => {
        $crate::kafka::wire::Wire::write(&$from, $e, $v)?;
    };
    (@write $e:ident $v:ident ($from:expr) ($name:expr) [$($default:expr)?]
        $in:pat, tag $tag:literal, ignorable) => {};
    (@write $e:ident $v:ident ($from:expr) ($name:expr) [$($default:expr)?]
        $in:pat, tag $tag:literal) => {
        if !matches!($v.version, $in) {
            $crate::kafka::macros::field!(@absent $v ($from) ($name) [$($default)?]);
        }
    };
    (@write $e:ident $v:ident ($from:expr) ($name:expr) [$($default:expr)?]
        $in:pat, nullable $null:pat, ignorable) => {
        if matches!($v.version, $in) {
            $crate::kafka::wire::check_write(&$from, matches!($v.version, $null), $name, $v)?;
            $crate::kafka::wire::Wire::write(&$from, $e, $v)?;
        }
    };
    (@write $e:ident $v:ident ($from:expr) ($name:expr) [$($default:expr)?]
        $in:pat, nullable $null:pat) => {
        if matches!($v.version, $in) {
            $crate::kafka::wire::check_write(&$from, matches!($v.version, $null), $name, $v)?;
            $crate::kafka::wire::Wire::write(&$from, $e, $v)?;
        } else {
            $crate::kafka::macros::field!(@absent $v ($from) ($name) [$($default)?]);
        }
    };
    (@write $e:ident $v:ident ($from:expr) ($name:expr) [$($default:expr)?] $in:pat, ignorable) => {
        if matches!($v.version, $in) {
            $crate::kafka::wire::Wire::write(&$from, $e, $v)?;
        }
    };
    (@write $e:ident $v:ident ($from:expr) ($name:expr) [$($default:expr)?] $in:pat) => {
        if matches!($v.version, $in) {
            $crate::kafka::wire::Wire::write(&$from, $e, $v)?;
        } else {
            $crate::kafka::macros::field!(@absent $v ($from) ($name) [$($default)?]);
        }
    };
    (@absent $v:ident ($from:expr) ($name:expr) [$($default:expr)?]) => {
        if $crate::kafka::wire::differs(&$from, $crate::kafka::macros::default_of!($($default)?)) {
            return Err($crate::kafka::encode::EncodeError::FieldNotInVersion {
                field: $name,
                version: $v.version,
            });
        }
    };

    (@count_tag $n:ident $v:ident ($from:expr) [$($default:expr)?]
        $in:pat, tag $tag:literal $(, ignorable)?) => {
        if matches!($v.version, $in)
            && $crate::kafka::wire::differs(&$from, $crate::kafka::macros::default_of!($($default)?))
        {
            $n += 1;
        }
    };
    (@count_tag $($other:tt)*) => {};

    (@write_tag $e:ident $v:ident $next:ident ($from:expr) ($unknown:expr) [$($default:expr)?]
        $in:pat, tag $tag:literal $(, ignorable)?) => {
        if matches!($v.version, $in)
            && $crate::kafka::wire::differs(&$from, $crate::kafka::macros::default_of!($($default)?))
        {
            let start = $e.begin_tag($tag, &$unknown, &mut $next);
            $crate::kafka::wire::Wire::write(&$from, $e, $v)?;
            $e.end_tag(start)?;
        }
    };
    (@write_tag $($other:tt)*) => {};

    // A random value that the version can carry.
    (@sample $s:ident $v:ident [$($default:expr)?]) => {
        $crate::kafka::wire::Wire::sample($s, $v)
    };
    (@sample $s:ident $v:ident [$($default:expr)?] $in:pat, nullable $null:pat $(, ignorable)?) => {
        if matches!($v.version, $in) {
            let value = $crate::kafka::wire::Wire::sample($s, $v);
            if matches!($v.version, $null) || Option::is_some(&value) {
                value
            } else {
                Some(Default::default())
            }
        } else {
            $crate::kafka::macros::default_of!($($default)?)
        }
    };
    (@sample $s:ident $v:ident [$($default:expr)?] $in:pat $(, tag $tag:literal)? $(, ignorable)?) => {
        if matches!($v.version, $in) {
            $crate::kafka::wire::Wire::sample($s, $v)
        } else {
            $crate::kafka::macros::default_of!($($default)?)
        }
    };
}

pub(crate) use {default_of, field, flexible_from, messages};
