//! Every text of the pages, in each language. One that is missing in one of them does not compile.

use gateway_people::language::Language;

use super::speech;

/// The texts in one language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words(pub(crate) Language);

/// The texts in the language of the request that is being answered.
pub(crate) fn words() -> Words {
    Words(speech::language())
}

/// `name(argument): "English", "German";` makes a method of each. No text holds markup; arguments are put in as they are.
macro_rules! words {
    ($($name:ident $(($($arg:ident),+))? : $english:literal, $german:literal;)+) => {
        impl super::Words {
            $(one! { $name $(($($arg),+))? : $english, $german })+
        }
        /// What each text is called, and what it says.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str, &str)] = &[$((stringify!($name), $english, $german)),+];
    };
}

macro_rules! one {
    ($name:ident : $english:literal, $german:literal) => {
        pub(crate) const fn $name(self) -> &'static str {
            match self.0 {
                gateway_people::language::Language::English => $english,
                gateway_people::language::Language::German => $german,
            }
        }
    };
    ($name:ident ($($arg:ident),+) : $english:literal, $german:literal) => {
        pub(crate) fn $name(self, $($arg: impl std::fmt::Display),+) -> String {
            match self.0 {
                gateway_people::language::Language::English => format!($english),
                gateway_people::language::Language::German => format!($german),
            }
        }
    };
}

mod consent;
mod entering;
mod refusals;
mod taking;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::all;
